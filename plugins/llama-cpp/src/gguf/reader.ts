import { open } from 'node:fs/promises';
import { ByteWindow, GgufError } from './byte-window.js';
import { DEFAULT_ALIGNMENT, FIXED_SIZES, GGUF_MAGIC, ValueType } from './format.js';
import { tensorBytes } from './tensor-size.js';

/** A metadata value; of an array only the length is kept, and its items when they are few numbers. */
export type GgufValue =
  | { kind: 'number'; value: number }
  | { kind: 'bool'; value: boolean }
  | { kind: 'string'; value: string }
  | { kind: 'array'; length: number; numbers?: readonly number[] };

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensorCount: number;
  /** Numbers in all tensors together. */
  readonly parameterCount: number;
  readonly fileSize: number;
}

/** More than any real model has, and few enough to read in a moment. */
const LIMITS = {
  headerBytes: 256 * 1024 * 1024,
  metadataEntries: 65_536,
  tensors: 262_144,
  keyLength: 65_535,
  keptString: 1024 * 1024,
  arrayLength: 4_194_304,
  keptNumbers: 1_024,
  dimensions: 8,
} as const;

/**
 * Reads the header of a GGUF file (versions 2 and 3, little-endian) and checks that its tensors fit into the file.
 * Reads at most a megabyte at a time and never trusts a count: a hostile or truncated file is a GgufError, not a
 * crash and not a long wait.
 */
export async function readGgufHeader(path: string, signal?: AbortSignal): Promise<GgufHeader> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = new ByteWindow(file, Math.min(size, LIMITS.headerBytes));
    if (size < 24 || (await bytes.take(4)).toString('latin1') !== GGUF_MAGIC)
      throw new GgufError('not a GGUF file');
    const version = await bytes.u32();
    if (version !== 2 && version !== 3)
      throw new GgufError(`GGUF version ${version} is not supported (only 2 and 3)`);
    const tensorCount = await bytes.count('number of tensors', LIMITS.tensors);
    const entries = await bytes.count('number of metadata entries', LIMITS.metadataEntries);
    const metadata = new Map<string, GgufValue>();
    for (let i = 0; i < entries; i++) {
      signal?.throwIfAborted();
      const key = await readText(bytes, LIMITS.keyLength, 'metadata key');
      const value = await readValue(bytes, await bytes.u32(), key);
      if (value !== undefined) metadata.set(key, value);
    }
    const alignment = numberOf(metadata, 'general.alignment') ?? DEFAULT_ALIGNMENT;
    if (!Number.isInteger(alignment) || alignment < 1 || alignment > 65_536) {
      throw new GgufError(`alignment ${alignment} cannot be`);
    }
    const { parameters, dataEnd } = await readTensors(bytes, tensorCount, signal);
    const dataStart = Math.ceil(bytes.position / alignment) * alignment;
    if (tensorCount > 0 && dataStart + dataEnd > size) {
      throw new GgufError(`the file is incomplete: ${size} bytes of ${dataStart + dataEnd}`);
    }
    return { version, metadata, tensorCount, parameterCount: parameters, fileSize: size };
  } finally {
    await file.close();
  }
}

/** A metadata number, or undefined when it is absent or of another type. */
export function numberOf(metadata: GgufHeader['metadata'], key: string): number | undefined {
  const entry = metadata.get(key);
  return entry?.kind === 'number' ? entry.value : undefined;
}

/** A metadata text, or undefined when it is absent or of another type. */
export function textOf(metadata: GgufHeader['metadata'], key: string): string | undefined {
  const entry = metadata.get(key);
  return entry?.kind === 'string' ? entry.value : undefined;
}

async function readTensors(
  bytes: ByteWindow,
  count: number,
  signal: AbortSignal | undefined,
): Promise<{ parameters: number; dataEnd: number }> {
  let parameters = 0;
  let dataEnd = 0;
  for (let i = 0; i < count; i++) {
    signal?.throwIfAborted();
    const name = await readText(bytes, LIMITS.keyLength, 'tensor name');
    const dimensions = await bytes.u32();
    if (dimensions > LIMITS.dimensions)
      throw new GgufError(`tensor ${name}: ${dimensions} dimensions cannot be`);
    let elements = 1;
    for (let d = 0; d < dimensions; d++)
      elements *= await bytes.count(`tensor ${name}`, Number.MAX_SAFE_INTEGER);
    if (!Number.isSafeInteger(elements)) throw new GgufError(`tensor ${name}: its size cannot be`);
    const type = await bytes.u32();
    const offset = await bytes.count(`offset of tensor ${name}`, Number.MAX_SAFE_INTEGER);
    parameters += elements;
    dataEnd = Math.max(dataEnd, offset + tensorBytes(type, elements));
  }
  return { parameters, dataEnd };
}

async function readText(bytes: ByteWindow, max: number, what: string): Promise<string> {
  const length = await bytes.count(`length of a ${what}`, max);
  return (await bytes.take(length)).toString('utf8');
}

/** Reads one value; undefined for a text too long to be kept. */
async function readValue(bytes: ByteWindow, type: number, key: string): Promise<GgufValue | undefined> {
  if (type === ValueType.string) {
    const length = await bytes.count(`length of ${key}`, LIMITS.headerBytes);
    if (length > LIMITS.keptString) {
      bytes.skip(length);
      return undefined;
    }
    return { kind: 'string', value: (await bytes.take(length)).toString('utf8') };
  }
  if (type === ValueType.array) return readArray(bytes, key);
  const size = FIXED_SIZES.get(type);
  if (size === undefined) throw new GgufError(`${key}: unknown value type ${type}`);
  const value = fixedValue(await bytes.take(size), type);
  return type === ValueType.bool ? { kind: 'bool', value: value !== 0 } : { kind: 'number', value };
}

async function readArray(bytes: ByteWindow, key: string): Promise<GgufValue> {
  const of = await bytes.u32();
  const length = await bytes.count(`length of ${key}`, LIMITS.arrayLength);
  if (of === ValueType.string) {
    for (let i = 0; i < length; i++) bytes.skip(await bytes.count(`text in ${key}`, LIMITS.headerBytes));
    return { kind: 'array', length };
  }
  const size = FIXED_SIZES.get(of);
  // Arrays of arrays are allowed by the format and used by nobody; refusing them bounds the depth.
  if (size === undefined) throw new GgufError(`${key}: arrays of type ${of} are not supported`);
  if (length > LIMITS.keptNumbers) {
    bytes.skip(size * length);
    return { kind: 'array', length };
  }
  const numbers: number[] = [];
  for (let i = 0; i < length; i++) numbers.push(fixedValue(await bytes.take(size), of));
  return { kind: 'array', length, numbers };
}

function fixedValue(bytes: Buffer, type: number): number {
  switch (type) {
    case ValueType.uint8:
    case ValueType.bool:
      return bytes.readUInt8();
    case ValueType.int8:
      return bytes.readInt8();
    case ValueType.uint16:
      return bytes.readUInt16LE();
    case ValueType.int16:
      return bytes.readInt16LE();
    case ValueType.uint32:
      return bytes.readUInt32LE();
    case ValueType.int32:
      return bytes.readInt32LE();
    case ValueType.float32:
      return bytes.readFloatLE();
    case ValueType.uint64:
      return Number(bytes.readBigUInt64LE());
    case ValueType.int64:
      return Number(bytes.readBigInt64LE());
    default:
      return bytes.readDoubleLE();
  }
}
