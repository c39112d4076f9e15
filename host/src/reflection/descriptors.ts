import { create, createFileRegistry, fromBinary, type FileRegistry } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type DescriptorProto,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { GatewayError } from '../errors/gateway-error.js';
import { converse, type Ask, type ReflectionBounds } from '../registry/reflection.js';
import type { PluginTransport } from '../registry/transport.js';

/** Most files taken from one plugin. */
const maxFiles = 500;

/**
 * Fetches the files that define some services, with all that they import, and
 * links them. `fallback` is a serialized FileDescriptorSet whose files are
 * preferred where they carry comments and the plugin's reflection does not.
 */
export async function fetchDescriptors(
  transport: PluginTransport,
  services: readonly string[],
  fallback: Uint8Array,
  bounds: ReflectionBounds,
): Promise<FileRegistry> {
  const files = new Map<string, FileDescriptorProto>();
  const commented = readFallback(fallback);
  await converse(transport, bounds, async (ask) => {
    for (const service of services) {
      take(await answered(ask, { $case: 'fileContainingSymbol', value: service }, service), files, commented);
    }
    for (;;) {
      const missing = [...files.values()].flatMap((file) => file.dependency).find((name) => !files.has(name));
      if (missing === undefined) return;
      const known = commented.get(missing);
      if (known !== undefined) files.set(missing, known);
      else take(await answered(ask, { $case: 'fileByFilename', value: missing }, missing), files, commented);
      if (!files.has(missing)) throw unusable(`reflection answers with other files than ${missing}`);
    }
  });
  return link(inOrder(files));
}

/** Links files, imports before importers. Errors say what is wrong with them. */
export function link(files: readonly FileDescriptorProto[]): FileRegistry {
  try {
    for (const file of files) for (const message of file.messageType) nameFields(message);
    return createFileRegistry(create(FileDescriptorSetSchema, { file: [...files] }));
  } catch (thrown) {
    throw unusable(thrown instanceof Error ? thrown.message : 'its descriptors cannot be linked');
  }
}

/** Descriptors that come out of generated code often leave out the names that JSON uses. */
function nameFields(message: DescriptorProto): void {
  for (const field of message.field) {
    if (field.jsonName === '') field.jsonName = jsonName(field.name);
  }
  message.nestedType.forEach(nameFields);
}

/** As the compiler of Protocol Buffers makes them: without underscores, the letter after one large. */
function jsonName(name: string): string {
  return name.replace(/_+([a-z])?/g, (_all, letter: string | undefined) => letter?.toUpperCase() ?? '');
}

function readFallback(bytes: Uint8Array): ReadonlyMap<string, FileDescriptorProto> {
  if (bytes.length === 0) return new Map();
  try {
    return new Map(fromBinary(FileDescriptorSetSchema, bytes).file.map((file) => [file.name, file]));
  } catch {
    return new Map();
  }
}

async function answered(
  ask: Ask,
  question: Parameters<Ask>[0],
  what: string,
): Promise<readonly Uint8Array[]> {
  const { messageResponse } = await ask(question);
  if (messageResponse?.$case === 'fileDescriptorResponse') return messageResponse.value.fileDescriptorProto;
  throw unusable(`reflection does not know ${what}, though it is served or imported`);
}

function take(
  encoded: readonly Uint8Array[],
  files: Map<string, FileDescriptorProto>,
  commented: ReadonlyMap<string, FileDescriptorProto>,
): void {
  for (const bytes of encoded) {
    let file: FileDescriptorProto;
    try {
      file = fromBinary(FileDescriptorProtoSchema, bytes);
    } catch {
      throw unusable('reflection sends a descriptor that cannot be read');
    }
    const better = file.sourceCodeInfo === undefined ? commented.get(file.name) : undefined;
    files.set(file.name, better ?? file);
    if (files.size > maxFiles) throw unusable(`its services span more than ${maxFiles} files`);
  }
}

/** Imports before importers; a cycle is refused when the files are linked. */
function inOrder(files: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>();
  const entered = new Set<string>();
  const visit = (name: string): void => {
    const file = files.get(name);
    if (file === undefined || entered.has(name)) return;
    entered.add(name);
    file.dependency.forEach(visit);
    ordered.add(file);
  };
  for (const name of files.keys()) visit(name);
  return [...ordered];
}

function unusable(why: string): GatewayError {
  return new GatewayError('plugin_unavailable', `the plugin's descriptors cannot be used: ${why}`);
}
