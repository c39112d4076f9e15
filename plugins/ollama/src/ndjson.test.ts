import { describe, it, expect } from '@jest/globals';
import { LineSplitter, LineTooLong } from './ndjson.js';

function split(chunks: readonly Buffer[], limit?: number): { lines: string[]; rest: string | undefined } {
  const splitter = new LineSplitter(limit);
  const lines: string[] = [];
  for (const chunk of chunks) splitter.push(chunk, lines);
  return { lines, rest: splitter.rest() };
}

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = '{"a":"für 日本 🙂"}\r\n\n{"b":1}\n\r\n{"c":"\\n"}\n{"last":true}';
    const bytes = Buffer.from(text);
    const whole = split([bytes]);
    expect(whole.lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { a: 'für 日本 🙂' },
      { b: 1 },
      { c: '\n' },
    ]);
    expect(whole.rest).toBe('{"last":true}');
    for (let size = 1; size <= bytes.length; size += 1) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      expect(split(chunks)).toEqual(whole);
    }
  });

  it('has no rest after a whole line', () => {
    expect(split([Buffer.from('{}\n'), Buffer.from('  \r\n ')]).rest).toBeUndefined();
  });

  it('bounds a line, in one read and in many', () => {
    expect(() => split([Buffer.from('123456789\n')], 8)).toThrow(LineTooLong);
    expect(() => split([Buffer.from('12345'), Buffer.from('6789')], 8)).toThrow(LineTooLong);
    expect(() => split([Buffer.from('12345'), Buffer.from('6789\n')], 8)).toThrow(LineTooLong);
    expect(split([Buffer.from('1234567\n1234567\n')], 8).lines).toHaveLength(2);
  });
});
