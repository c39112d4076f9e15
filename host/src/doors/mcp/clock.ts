import { performance } from 'node:perf_hooks';

/** Time, so that tests can turn it. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Runs once after `ms`; returns the way to call it off. Keeps the process alive only when asked to. */
  after(ms: number, run: () => void, keepAlive?: boolean): () => void;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run, keepAlive = false) {
    const timer = setTimeout(run, ms);
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};
