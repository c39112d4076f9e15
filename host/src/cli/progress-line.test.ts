import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ProgressLine } from './progress-line.js';

describe('the line of what is under way', () => {
  let written: string;
  let now: number;
  let line: ProgressLine;

  function open(isTTY: boolean, columns = 200): void {
    const sink = Object.assign(new PassThrough(), { isTTY, columns });
    sink.on('data', (chunk: Buffer) => (written += chunk.toString()));
    line = new ProgressLine(sink, () => now);
  }
  beforeEach(() => {
    jest.useFakeTimers();
    written = '';
    now = 0;
    open(true);
  });
  afterEach(() => {
    jest.useRealTimers();
  });
  /** What the terminal shows in its last line. */
  const last = (): string => written.split('\n').at(-1)?.split('\u001b[K').at(-1) ?? '';

  it('is drawn over, seldom, and the latest is shown in the end', () => {
    line.show('p/m', 'loading', 0);
    expect(last()).toBe('  p/m loading [................] 0 %');
    for (let step = 1; step <= 50; step++) line.show('p/m', 'loading', step / 100);
    expect(written.match(/\r/g)).toHaveLength(1);
    now = 80;
    jest.advanceTimersByTime(80);
    expect(last()).toBe('  p/m loading [########........] 50 %');
    expect(written.match(/\r/g)).toHaveLength(2);
  });

  it('stays below whole lines and leaves nothing behind', () => {
    line.show('p/m', 'loading', 0.5);
    line.say('plugin a: active');
    expect(written).toMatch(/\r\u001b\[Kplugin a: active\n\r\u001b\[K {2}p\/m loading \[#{8}\.{8}\] 50 %$/);
    line.remove('p/m');
    line.say('model p/m: ready');
    expect(written).toMatch(/\r\u001b\[Kmodel p\/m: ready\n$/);
  });

  it('never wraps, and counts what it cannot show', () => {
    open(true, 60);
    for (let model = 0; model < 9; model++) {
      now += 100;
      line.show(`p/${model}`, 'loading', undefined);
    }
    expect(last()).toBe('  p/0 loading   p/1 loading   p/2 loading   and 6 more');
    now += 100;
    line.show(`p/${'x'.repeat(500)}\u001b[31m`, 'loading', undefined);
    expect(last().length).toBeLessThan(60);
    expect(written).not.toContain('\u001b[31m');
  });

  it('is not there without a terminal', () => {
    open(false);
    line.show('p/m', 'loading', 0.5);
    line.say('told');
    line.clear();
    expect(written).toBe('told\n');
  });
});
