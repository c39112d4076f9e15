import { describe, expect, it } from '@jest/globals';
import { readSse, type SseEvent } from './sse.js';

async function* bytes(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks)
    yield await Promise.resolve(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
}

async function read(...chunks: (string | Uint8Array)[]): Promise<SseEvent[]> {
  const events: SseEvent[] = [];
  for await (const batch of readSse(bytes(...chunks))) events.push(...batch);
  return events;
}

const event = (data: string, rest: Partial<SseEvent> = {}): SseEvent => ({
  event: '',
  data,
  closed: true,
  ...rest,
});

describe('readSse', () => {
  it.each([
    ['line feeds', 'data: a\n\ndata: b\n\n'],
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n'],
    ['CR', 'data: a\r\rdata: b\r\r'],
    ['comments and unknown fields', ':\n\nid: 7\ndata: a\n\n: ping\n\nretry: 5\n\ndata: b\n\n'],
    ['no space after the colon', 'data:a\n\ndata:b\n\n'],
  ])('reads %s', async (_name, text) => {
    expect(await read(text)).toEqual([event('a'), event('b')]);
  });

  it('reads the same however the bytes are cut', async () => {
    const text =
      'data: 0\r\n\n\ndata: 0\r\revent: x\r\ndata: {"t":"häß€🎉"}\r\n\r\n: ping\r\n\r\ndata: 1\ndata: 2\n\ndata: [DONE]\n\n';
    const whole = [
      event('0'),
      event('0'),
      event('{"t":"häß€🎉"}', { event: 'x' }),
      event('1\n2'),
      event('[DONE]'),
    ];
    const all = Buffer.from(text);
    for (let size = 1; size <= all.length; size++) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < all.length; at += size) chunks.push(all.subarray(at, at + size));
      expect(await read(...chunks)).toEqual(whole);
    }
  });

  it('marks an event that the end of the stream cut off', async () => {
    expect(await read('data: a\n\ndata: {"b"')).toEqual([event('a'), event('{"b"', { closed: false })]);
    expect(await read('data: [DONE]\n')).toEqual([event('[DONE]', { closed: false })]);
    expect(await read('')).toEqual([]);
  });

  it('gives what one chunk held in one batch', async () => {
    const batches: number[] = [];
    for await (const batch of readSse(bytes('data: 1\n\ndata: 2\n\nda', 'ta: 3\n\n')))
      batches.push(batch.length);
    expect(batches).toEqual([2, 1]);
  });

  it('refuses an event without end', async () => {
    const flood = async (): Promise<void> => {
      for await (const _ of readSse(bytes('data: ', 'x'.repeat(60), 'x'.repeat(60)), 100));
    };
    await expect(flood()).rejects.toMatchObject({ kind: 'engine_error' });
    const lines = async (): Promise<void> => {
      for await (const _ of readSse(bytes(...Array<string>(30).fill('data: xxxxx\n')), 100));
    };
    await expect(lines()).rejects.toMatchObject({ kind: 'engine_error' });
  });
});
