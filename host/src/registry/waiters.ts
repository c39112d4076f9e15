/** Most requests that wait for one plugin at the same time. */
const maxWaiters = 4096;

/** Requests that wait for something to change. Every wait is bounded. */
export class Waiters {
  private readonly waiting = new Set<() => void>();

  /** True when no more may wait. */
  get full(): boolean {
    return this.waiting.size >= maxWaiters;
  }

  /** Resolves at the next change, when the signal fires or after `timeoutMs`. */
  next(signal: AbortSignal, timeoutMs: number): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Something has changed. */
  wake(): void {
    for (const done of [...this.waiting]) done();
  }
}
