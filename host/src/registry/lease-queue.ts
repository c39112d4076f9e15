import type { GatewayError } from '../errors/gateway-error.js';
import type { Lease } from './instance.js';

/** Somebody who waits for a lease. */
interface Waiting {
  settle(lease: Lease | undefined, error?: GatewayError): void;
}

/**
 * Requests that wait for a lease, the oldest first. Bounded in number; every
 * wait ends by a lease, by its time, by its caller or by `refuse`.
 */
export class LeaseQueue {
  private readonly waiting = new Set<Waiting>();

  constructor(
    private readonly take: () => Lease | undefined,
    private readonly max: number,
  ) {}

  /** Requests that wait now. */
  get size(): number {
    return this.waiting.size;
  }

  /** True when no more may wait. */
  get full(): boolean {
    return this.waiting.size >= this.max;
  }

  /** A lease; undefined after `timeoutMs` or when the signal fires. Rejects when all are refused. */
  wait(signal: AbortSignal, timeoutMs: number): Promise<Lease | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        entry.settle(undefined);
      };
      const entry: Waiting = {
        settle: (lease, error) => {
          clearTimeout(timer);
          this.waiting.delete(entry);
          signal.removeEventListener('abort', giveUp);
          if (error === undefined) resolve(lease);
          else reject(error);
        },
      };
      const timer = setTimeout(giveUp, timeoutMs);
      signal.addEventListener('abort', giveUp, { once: true });
      this.waiting.add(entry);
    });
  }

  /** Hands out what there is, in the order of arrival. */
  serve(): void {
    for (const entry of this.waiting) {
      const lease = this.take();
      if (lease === undefined) return;
      entry.settle(lease);
    }
  }

  /** Ends all waits with an error. */
  refuse(error: () => GatewayError): void {
    for (const entry of [...this.waiting]) entry.settle(undefined, error());
  }
}
