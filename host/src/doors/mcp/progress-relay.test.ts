import { describe, expect, it } from '@jest/globals';
import { HttpExchange } from './exchange.js';
import { defaultLimits } from './limits.js';
import { ProgressRelay, type ProgressParams } from './progress-relay.js';
import { ManualClock } from './testing/manual-clock.js';

function setUp(limits = {}) {
  const clock = new ManualClock();
  const exchange = new HttpExchange('r');
  const sent: ProgressParams[] = [];
  const relay = new ProgressRelay(
    'token',
    (params) => {
      sent.push(params);
      return Promise.resolve();
    },
    exchange,
    { ...defaultLimits, ...limits },
    clock,
  );
  return { clock, exchange, sent, relay };
}
const delta = (message: string) => ({ message, delta: true });

describe('progress of a call', () => {
  it('sends the first delta at once and joins those that come close together', () => {
    const { clock, sent, relay } = setUp();
    relay.report(delta('a'));
    relay.report(delta('b'));
    relay.report(delta('c'));
    expect(sent.map((one) => one.message)).toEqual(['a']);
    clock.turn(50);
    expect(sent.map((one) => one.message)).toEqual(['a', 'bc']);
    expect(sent.map((one) => one.progress)).toEqual([1, 2]);
  });

  it('sends a full buffer without waiting', () => {
    const { sent, relay } = setUp({ progressFlushBytes: 4 });
    relay.report(delta('a'));
    relay.report(delta('bcde'));
    expect(sent.map((one) => one.message)).toEqual(['a', 'bcde']);
  });

  it('never cuts a character in two', () => {
    const { sent, relay } = setUp({ progressFlushBytes: 1 });
    relay.report(delta(`${'x'.repeat(15)}😀y`));
    expect(sent.map((one) => one.message)).toEqual(['x'.repeat(15), '😀y']);
  });

  it('flushes before the result and says nothing after it', async () => {
    const { clock, sent, relay } = setUp();
    relay.report(delta('a'));
    relay.report(delta('b'));
    await relay.close();
    relay.report(delta('late'));
    clock.turn(60_000);
    expect(sent.map((one) => one.message)).toEqual(['a', 'b']);
    expect(clock.waiting).toBe(0);
  });

  it('keeps progress strictly increasing whatever a tool says', () => {
    const { clock, sent, relay } = setUp();
    relay.report({ message: 'x', progress: 0, total: 100 });
    relay.report({ message: 'y', progress: 0, total: 100 });
    clock.turn(15_000);
    relay.report({ message: 'z', progress: 50, total: 100 });
    const values = sent.map((one) => one.progress);
    expect(values).toHaveLength(4);
    expect(values[0]).toBe(0);
    expect(values[3]).toBe(50);
    for (let i = 1; i < values.length; i++) expect(values[i]).toBeGreaterThan(values[i - 1] as number);
  });

  it('sends a sign of life only when the call is quiet', () => {
    const { clock, sent, relay } = setUp();
    clock.turn(10_000);
    relay.report(delta('a'));
    clock.turn(10_000);
    expect(sent).toHaveLength(1);
    clock.turn(5_000);
    expect(sent).toHaveLength(2);
    expect(sent[1]).not.toHaveProperty('message');
  });

  it('leaves progress out for a slow reader and goes on when it has caught up', () => {
    const { clock, exchange, sent, relay } = setUp({ progressBytes: 1000, progressFlushBytes: 100 });
    for (let i = 0; i < 100; i++) relay.report(delta('x'.repeat(100)));
    expect(relay.dropped).toBeGreaterThan(80);
    expect(exchange.outstanding()).toBeLessThan(1300);
    const before = sent.length;
    for (let i = 0; i < before; i++) exchange.delivered();
    expect(exchange.outstanding()).toBe(0);
    relay.report(delta('x'.repeat(100)));
    expect(sent).toHaveLength(before + 1);
    clock.turn(0);
  });

  it('gives a connection up when far too much waits', () => {
    const { exchange, relay } = setUp({ outstandingBytes: 1000 });
    let killed = '';
    exchange.onKill = (reason) => (killed = reason);
    exchange.sent(2000);
    relay.report(delta('x'));
    expect(killed).toBe('the reader is too slow');
    expect(exchange.signal.aborted).toBe(true);
  });
});
