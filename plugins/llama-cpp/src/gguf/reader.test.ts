import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeDemoModel } from '../demo-model/demo-model.js';
import { modelFacts } from './model-facts.js';
import { readGgufHeader } from './reader.js';
import { encodeGguf, type MetadataValue } from './writer.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gguf-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(bytes: Buffer): Promise<string> {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.gguf`);
  await writeFile(path, bytes);
  return path;
}

/** A header by hand: magic, version, counts, and whatever follows. */
function header(tensors: bigint, entries: bigint, rest: Buffer = Buffer.alloc(0), version = 3): Buffer {
  const head = Buffer.alloc(24);
  head.write('GGUF');
  head.writeUInt32LE(version, 4);
  head.writeBigUInt64LE(tensors, 8);
  head.writeBigUInt64LE(entries, 16);
  return Buffer.concat([head, rest]);
}

function text(value: string, length = BigInt(value.length)): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length);
  return Buffer.concat([size, Buffer.from(value)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

describe('readGgufHeader', () => {
  it('reads back what the writer wrote', async () => {
    const metadata = new Map<string, MetadataValue>([
      ['general.architecture', { type: 'string', value: 'llama' }],
      ['llama.context_length', { type: 'uint32', value: 4096 }],
      ['llama.attention.head_count_kv', { type: 'array', of: 'int32', value: [2, 4] }],
      ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: ['a', 'bc'] }],
      ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: false }],
    ]);
    const tensors = [{ name: 'w', dims: [3, 5], data: new Float32Array(15) }];
    const read = await readGgufHeader(await fileOf(encodeGguf(metadata, tensors)));
    expect(read).toMatchObject({ version: 3, tensorCount: 1, parameterCount: 15 });
    expect(Object.fromEntries(read.metadata)).toEqual({
      'general.architecture': { kind: 'string', value: 'llama' },
      'llama.context_length': { kind: 'number', value: 4096 },
      'llama.attention.head_count_kv': { kind: 'array', length: 2, numbers: [2, 4] },
      'tokenizer.ggml.tokens': { kind: 'array', length: 2 },
      'tokenizer.ggml.add_space_prefix': { kind: 'bool', value: false },
    });
  });

  it('tells the facts of a model', async () => {
    const facts = modelFacts(await readGgufHeader(await fileOf(encodeDemoModel('demo-embed'))));
    expect(facts).toMatchObject({
      architecture: 'llama',
      name: 'Outrigger demo-embed',
      quantization: 'F32',
      contextLength: 131_072,
      pooling: 'mean',
      tools: true,
      reasoning: false,
      encoderOnly: false,
      auxiliary: false,
      // One layer, one head of 16 for keys and one for values, two bytes each.
      cacheBytesPerToken: 64,
    });
    expect(modelFacts(await readGgufHeader(await fileOf(encodeDemoModel('demo')))).pooling).toBeUndefined();
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'not a GGUF file'],
    ['another format', Buffer.from('PK\x03\x04'.padEnd(64, ' ')), 'not a GGUF file'],
    ['version 1', header(0n, 0n, Buffer.alloc(8), 1), 'GGUF version 1 is not supported'],
    ['a number of entries beyond belief', header(0n, 2n ** 62n), 'number of metadata entries'],
    ['a number of tensors beyond belief', header(2n ** 63n, 0n), 'number of tensors'],
    ['a key longer than the file', header(0n, 1n, text('key', 60_000n)), 'the file ends in the middle'],
    ['a key beyond belief', header(0n, 1n, text('key', 2n ** 40n)), 'length of a metadata key'],
    [
      'an array beyond belief',
      header(0n, 1n, Buffer.concat([text('k'), u32(9), u32(4), text('', 2n ** 50n)])),
      'length of k',
    ],
    [
      'nested arrays',
      header(0n, 1n, Buffer.concat([text('k'), u32(9), u32(9), text('', 1n)])),
      'arrays of type 9',
    ],
    ['an unknown type', header(0n, 1n, Buffer.concat([text('k'), u32(77)])), 'unknown value type 77'],
    [
      'too many dimensions',
      header(1n, 0n, Buffer.concat([text('t'), u32(4_000_000_000)])),
      'dimensions cannot be',
    ],
  ])('refuses %s', async (_name, bytes, message) => {
    await expect(readGgufHeader(await fileOf(bytes))).rejects.toMatchObject({
      name: 'GgufError',
      message: expect.stringContaining(message) as unknown,
    });
  });

  it('refuses every file that is cut short', async () => {
    const whole = encodeDemoModel('demo');
    for (const length of [23, 100, 5_000, 12_000, whole.length - 40]) {
      const path = await fileOf(whole.subarray(0, length));
      await expect(readGgufHeader(path)).rejects.toMatchObject({ name: 'GgufError' });
    }
    expect((await readFile(await fileOf(whole))).length).toBe(whole.length);
  });
});
