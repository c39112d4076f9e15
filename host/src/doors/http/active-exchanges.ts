import { Roster } from '../../roster.js';
import type { Exchange } from './exchange.js';

/** The requests that are being worked on. */
export class ActiveExchanges {
  private readonly all = new Roster<Exchange>();
  private readonly waiting = new Set<() => void>();

  get size(): number {
    return this.all.size;
  }

  add(exchange: Exchange): void {
    exchange.place = this.all.add(exchange);
  }

  delete(exchange: Exchange): void {
    if (exchange.place < 0) return;
    this.all.remove(exchange.place);
    exchange.place = -1;
    if (this.all.size > 0) return;
    for (const wake of this.waiting) wake();
  }

  [Symbol.iterator](): Iterator<Exchange> {
    return this.all.members().values();
  }

  /** Waits until nothing is left, at most `ms` milliseconds; true when nothing is. */
  async whenEmpty(ms: number): Promise<boolean> {
    if (this.all.size === 0) return true;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.waiting.add(done);
    });
    return this.all.size === 0;
  }
}
