import type { Embedding } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';

/** A vector as numbers. Throws upstream_error for what is no vector. */
export function vectorNumbers({ data }: Embedding): number[] {
  if (data.length % 4 !== 0) {
    throw new GatewayError('upstream_error', 'the plugin sent a vector that is not made of 32-bit floats');
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const numbers = new Array<number>(data.length / 4);
  for (let at = 0; at < numbers.length; at++) {
    const value = view.getFloat32(at * 4, true);
    if (!Number.isFinite(value)) {
      throw new GatewayError('upstream_error', 'the model produced a vector with values that are no numbers');
    }
    numbers[at] = value;
  }
  return numbers;
}

/** The answers must be in the order of the inputs, so there must be as many. */
export function requireVectors(embeddings: readonly Embedding[], inputs: number): void {
  if (embeddings.length === inputs) return;
  throw new GatewayError(
    'upstream_error',
    `the plugin answered ${inputs} inputs with ${embeddings.length} vectors`,
  );
}
