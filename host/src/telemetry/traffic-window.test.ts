import { describe, expect, it } from '@jest/globals';
import { TrafficWindow, TrafficWindows } from './traffic-window.js';

const done = (durationMs: number, outputTokens: number | undefined = 10) => ({
  durationMs,
  outputTokens,
  firstTokenMs: durationMs / 10,
  outcome: 'complete' as const,
});

describe('a window over the traffic', () => {
  it('tells the mean rates of the last ten seconds and forgets what is older', () => {
    let now = 1_000_000;
    const window = new TrafficWindow(() => now);
    for (let second = 0; second < 30; second++) {
      for (let request = 0; request < 5; request++) window.add(done(100));
      now += 1000;
    }
    const busy = window.read();
    expect(busy.requestsPerSecond).toBeCloseTo(5, 5);
    expect(busy.tokensPerSecond).toBeCloseTo(50, 5);
    now += 5000;
    expect(window.read().requestsPerSecond).toBeCloseTo(2.5, 5);
    now += 6000;
    expect(window.read()).toMatchObject({ requestsPerSecond: 0, tokensPerSecond: 0 });
    expect(window.read().durationP50Ms).toBe(100);
    now += 60_000;
    expect(window.read()).toMatchObject({ durationP50Ms: undefined, firstTokenP99Ms: undefined, samples: 0 });
  });

  it('divides by its age while it is young', () => {
    let now = 5_000_000;
    const window = new TrafficWindow(() => now);
    window.add(done(1, 8));
    now += 2000;
    expect(window.read()).toMatchObject({ requestsPerSecond: 0.5, tokensPerSecond: 4 });
  });

  it('tells quantiles of the last requests, refusals aside', () => {
    const window = new TrafficWindow(() => 1000);
    for (let ms = 1; ms <= 100; ms++) window.add(done(ms));
    window.add({ ...done(0), outcome: 'refused' });
    expect(window.read()).toMatchObject({
      durationP50Ms: 51,
      durationP99Ms: 100,
      firstTokenP50Ms: 5.1,
      samples: 100,
    });
    for (let more = 0; more < 10_000; more++) window.add(done(7));
    expect(window.read()).toMatchObject({ durationP99Ms: 7, samples: 512 });
  });

  it('counts a request whose tokens are unknown', () => {
    const window = new TrafficWindow(() => 1000);
    window.add({ durationMs: 5, outputTokens: undefined, firstTokenMs: undefined, outcome: 'cancelled' });
    expect(window.read()).toMatchObject({
      requestsPerSecond: 1,
      tokensPerSecond: 0,
      firstTokenP50Ms: undefined,
    });
  });
});

describe('windows by name', () => {
  it('drop the one that has been idle longest', () => {
    const windows = new TrafficWindows(() => 1000, 2);
    windows.add('a', done(1));
    windows.add('b', done(1));
    windows.add('a', done(1));
    windows.add('c', done(1));
    expect(windows.read('b')).toBeUndefined();
    expect(windows.read('a')?.samples).toBe(2);
    expect(windows.read('c')?.samples).toBe(1);
  });
});
