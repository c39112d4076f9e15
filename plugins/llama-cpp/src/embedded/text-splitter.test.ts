import { describe, expect, it } from '@jest/globals';
import { StopScanner } from './stop-scanner.js';
import { TextSplitter, type Segment, type SplitterOptions } from './text-splitter.js';

/** Splits a text given in pieces of every size, and checks that the size makes no difference. */
function split(text: string, options: Partial<SplitterOptions> = {}): Record<string, unknown>[] {
  const outcomes = new Set<string>();
  for (let size = 1; size <= text.length; size++) {
    const splitter = new TextSplitter({ tools: true, reasoning: true, ...options });
    const segments: Segment[] = [];
    for (let at = 0; at < text.length; at += size) segments.push(...splitter.push(text.slice(at, at + size)));
    segments.push(...splitter.end());
    outcomes.add(JSON.stringify(joined(segments)));
  }
  expect(outcomes.size).toBe(1);
  return JSON.parse([...outcomes][0] ?? '[]') as Record<string, unknown>[];
}

function joined(segments: Segment[]): object[] {
  const all: { type: string; text: string }[] = [];
  for (const segment of segments) {
    const text = segment.type === 'tool-call' ? `${segment.name} ${segment.arguments}` : segment.text;
    const last = all.at(-1);
    if (last?.type === segment.type && segment.type !== 'tool-call') last.text += text;
    else all.push({ type: segment.type, text });
  }
  return all;
}

describe('TextSplitter', () => {
  it('lets plain text pass, tags of other kinds included', () => {
    expect(split('a < b <tool> <b>x</b>')).toEqual([{ type: 'text', text: 'a < b <tool> <b>x</b>' }]);
    expect(split('<think>x', { reasoning: false })).toEqual([{ type: 'text', text: '<think>x' }]);
  });

  it('finds calls between texts and keeps their arguments as written', () => {
    expect(
      split('Wait.\n<tool_call>\n{"name": "f", "arguments": {"a": 1.0, "b":"x"}}\n</tool_call>\nDone'),
    ).toEqual([
      { type: 'text', text: 'Wait.' },
      { type: 'tool-call', text: 'f {"a": 1.0, "b":"x"}' },
      { type: 'text', text: 'Done' },
    ]);
  });

  it('finds several calls, odd orders, and none without arguments', () => {
    const text = '<tool_call>{"arguments":{"a":1},"name":"f"}</tool_call><tool_call>{"name":"g"}</tool_call>';
    expect(split(text)).toEqual([
      { type: 'tool-call', text: 'f {"a":1}' },
      { type: 'tool-call', text: 'g {}' },
    ]);
  });

  it('shows what is no call as text', () => {
    expect(split('<tool_call>not json</tool_call>')).toEqual([
      { type: 'text', text: '<tool_call>not json</tool_call>' },
    ]);
    expect(split('<tool_call>{"name": "f"')).toEqual([{ type: 'text', text: '<tool_call>{"name": "f"' }]);
  });

  it('takes reasoning apart, also when the prompt began it', () => {
    const both = [
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'Yes' },
    ];
    expect(split('<think>hm</think>\n\nYes')).toEqual(both);
    expect(split('hm</think>\n\nYes', { begin: 'reasoning' })).toEqual(both);
    expect(split('<think>cut')).toEqual([{ type: 'reasoning', text: 'cut' }]);
  });
});

describe('StopScanner', () => {
  function scan(text: string, stops: string[]): [string, string | undefined] {
    const results = new Set<string>();
    for (let size = 1; size <= text.length; size++) {
      const scanner = new StopScanner(stops);
      let out = '';
      for (let at = 0; at < text.length; at += size) out += scanner.push(text.slice(at, at + size));
      results.add(JSON.stringify([out + scanner.end(), scanner.found]));
    }
    expect(results.size).toBe(1);
    return JSON.parse([...results][0] ?? '[]') as [string, string | undefined];
  }

  it('cuts before the first stop string and keeps near misses', () => {
    expect(scan('one two three', ['two'])).toEqual(['one ', 'two']);
    expect(scan('aab aac', ['aac'])).toEqual(['aab ', 'aac']);
    expect(scan('one tw', ['two'])).toEqual(['one tw', null]);
    expect(scan('xyz', [''])).toEqual(['xyz', null]);
  });
});
