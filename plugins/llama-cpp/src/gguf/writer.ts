import { mkdir, open, rename, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { DEFAULT_ALIGNMENT, GGUF_MAGIC, GGUF_VERSION, ValueType } from './format.js';

/** One metadata value with its type in the file. */
export type MetadataValue =
  | { type: 'uint32' | 'int32' | 'float32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'array'; of: 'int32' | 'float32'; value: readonly number[] }
  | { type: 'array'; of: 'string'; value: readonly string[] };

/** A tensor of 32-bit floats. `dims[0]` is the innermost (contiguous) dimension, as GGUF counts. */
export interface F32Tensor {
  name: string;
  dims: readonly number[];
  data: Float32Array;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function encodeValue(entry: MetadataValue): Buffer {
  switch (entry.type) {
    case 'uint32':
      return u32(entry.value);
    case 'int32':
      return int32(entry.value);
    case 'float32':
      return float32(entry.value);
    case 'bool':
      return Buffer.from([entry.value ? 1 : 0]);
    case 'string':
      return text(entry.value);
    case 'array': {
      const items =
        entry.of === 'string'
          ? entry.value.map(text)
          : entry.value.map(entry.of === 'int32' ? int32 : float32);
      return Buffer.concat([u32(ValueType[entry.of]), u64(items.length), ...items]);
    }
  }
}

function padding(length: number): Buffer {
  return Buffer.alloc((DEFAULT_ALIGNMENT - (length % DEFAULT_ALIGNMENT)) % DEFAULT_ALIGNMENT);
}

/** The bytes of a GGUF v3 file holding the given metadata (in order) and tensors. The same input gives the same bytes. */
export function encodeGguf(
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: readonly F32Tensor[],
): Buffer {
  const head: Buffer[] = [
    Buffer.from(GGUF_MAGIC),
    u32(GGUF_VERSION),
    u64(tensors.length),
    u64(metadata.size),
  ];
  for (const [key, entry] of metadata) head.push(text(key), u32(ValueType[entry.type]), encodeValue(entry));
  const blobs: Buffer[] = [];
  let offset = 0;
  for (const { name, dims, data } of tensors) {
    const elements = dims.reduce((product, dim) => product * dim, 1);
    if (elements !== data.length) {
      throw new RangeError(`tensor ${name}: dims say ${elements} values, the data holds ${data.length}`);
    }
    head.push(text(name), u32(dims.length), ...dims.map(u64), u32(0), u64(offset));
    const blob = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const pad = padding(blob.length);
    blobs.push(blob, pad);
    offset += blob.length + pad.length;
  }
  const header = Buffer.concat(head);
  return Buffer.concat([header, padding(header.length), ...blobs]);
}

/** Writes bytes so that a reader sees the whole file or none: to a neighbour first, then renamed over the target. */
export async function writeFileWhole(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    const file = await open(partial, 'wx', 0o644);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
