import type { Exchange } from './exchange.js';

/** Places of requests that are served at the same time. */
export class Seats {
  private taken = 0;

  constructor(readonly max: number) {}

  get full(): boolean {
    return this.taken >= this.max;
  }

  take(exchange: Exchange): void {
    exchange.seats = this;
    this.taken += 1;
  }

  leave(exchange: Exchange): void {
    if (exchange.seats !== this) return;
    exchange.seats = undefined;
    this.taken -= 1;
  }
}
