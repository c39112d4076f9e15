import { performance } from 'node:perf_hooks';

/** Time, so that tests can turn it. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Runs once after `ms` and keeps no process alive; returns the way to call it off. */
  after(ms: number, run: () => void): () => void;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
