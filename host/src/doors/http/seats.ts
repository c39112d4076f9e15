import type { Exchange } from './exchange.js';

/** Places of requests that are served at the same time. */
export class Seats {
  private readonly taken = new Set<Exchange>();

  constructor(readonly max: number) {}

  get full(): boolean {
    return this.taken.size >= this.max;
  }

  take(exchange: Exchange): void {
    this.taken.add(exchange);
  }

  leave(exchange: Exchange): void {
    this.taken.delete(exchange);
  }
}
