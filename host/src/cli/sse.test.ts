import { describe, it, expect } from '@jest/globals';
import { readEvents } from './sse.js';

async function read(bytes: Uint8Array, size: number) {
  async function* pieces() {
    for (let i = 0; i < bytes.length; i += size) yield await Promise.resolve(bytes.subarray(i, i + size));
  }
  const events = [];
  for await (const event of readEvents(pieces())) events.push(event);
  return events;
}

describe('server-sent events', () => {
  const cases: [string, string, { event: string; data: string }[]][] = [
    [
      'LF',
      'data: a\n\ndata: b\n\n',
      [
        { event: 'message', data: 'a' },
        { event: 'message', data: 'b' },
      ],
    ],
    ['CRLF and comments', ': ping\r\n\r\ndata: a\r\n\r\n', [{ event: 'message', data: 'a' }]],
    [
      'CR',
      'data: a\r\rdata: b\r\r',
      [
        { event: 'message', data: 'a' },
        { event: 'message', data: 'b' },
      ],
    ],
    ['several data lines and names', 'event: x\ndata: a\ndata: b\n\n', [{ event: 'x', data: 'a\nb' }]],
    [
      'no space, extra space',
      'data:a\n\ndata:  b\n\n',
      [
        { event: 'message', data: 'a' },
        { event: 'message', data: ' b' },
      ],
    ],
    ['long characters', 'data: grüße 🚣\n\n', [{ event: 'message', data: 'grüße 🚣' }]],
    ['byte order mark', '\uFEFFdata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['an event that breaks off', 'data: a\n\ndata: b\n', [{ event: 'message', data: 'a' }]],
  ];
  it.each(cases)('%s, however they are cut', async (_name, text, wanted) => {
    for (const size of [1, 2, 3, 7, 1000]) expect(await read(Buffer.from(text), size)).toEqual(wanted);
  });
});
