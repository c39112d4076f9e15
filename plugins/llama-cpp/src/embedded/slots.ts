import { EngineError } from '../engine/errors.js';

const MAX_WAITING = 256;

/** Hands out a fixed set of things, one user each, first come first served, with a bounded queue. */
export class Slots<T> {
  readonly #free: T[];
  readonly #waiting: { give: (item: T) => void; fail: (error: Error) => void }[] = [];
  readonly size: number;

  constructor(items: readonly T[]) {
    this.#free = [...items];
    this.size = items.length;
  }

  async take(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const item = this.#free.pop();
    if (item !== undefined) return item;
    if (this.#waiting.length >= MAX_WAITING)
      throw new EngineError('queue_full', 'too many requests wait for this model');
    return new Promise<T>((resolve, reject) => {
      const entry = {
        give: (given: T): void => {
          signal.removeEventListener('abort', onAbort);
          resolve(given);
        },
        fail: reject,
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        entry.fail(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(entry);
    });
  }

  give(item: T): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(item);
    else next.give(item);
  }
}
