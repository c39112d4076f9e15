import { readFileSync } from 'node:fs';

let bytes: Buffer | undefined;

/**
 * The serialized FileDescriptorSet of the contract and of the standard services
 * around it, source info and options included. Plugins serve exactly these bytes
 * by reflection.
 */
export function contractDescriptorSet(): Buffer {
  bytes ??= readFileSync(new URL('../descriptor.binpb', import.meta.url));
  return bytes;
}
