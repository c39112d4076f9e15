import { GatewayError } from '../errors/gateway-error.js';
import type { Lease, PluginInstance } from './instance.js';
import type { Launched } from './launcher.js';
import { LeaseQueue } from './lease-queue.js';
import type { SlotStatus } from './slot-status.js';

/** A share of the traffic that an instance gets before it is committed. */
export interface Canary {
  readonly launched: Launched;
  /** 0 to 1. */
  readonly share: number;
}

/** Whose instances are leased. */
export interface LeasedSlot {
  readonly name: string;
  readonly active: PluginInstance | undefined;
  readonly canary: Canary | undefined;
}

/** Bounds and sources of chance and time. */
export interface LeasingOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** 0 up to 1. */
  readonly random: () => number;
  /** Most requests that wait for the plugin, and how long for one that is busy, in milliseconds. */
  readonly maxQueued: number;
  readonly queueMs: number;
}

/** Leases the instances of one plugin, and knows why when none is to be had. */
export class SlotLeases {
  private readonly queue: LeaseQueue;
  private state: SlotStatus['state'] = 'stopped';
  private why = '';
  private retryAt: number | undefined;

  constructor(
    private readonly slot: LeasedSlot,
    private readonly options: LeasingOptions,
  ) {
    this.queue = new LeaseQueue(() => this.take(), options.maxQueued);
  }

  /** Requests that wait. */
  get queued(): number {
    return this.queue.size;
  }

  /** Whether the plugin can be used, and why not. */
  get standing(): Omit<SlotStatus, 'restarts'> {
    const { state, retryAt } = this;
    const { name, active } = this.slot;
    const mute = this.why === '' && active?.serving === false;
    return { state, reason: mute ? `plugin ${name} says that it is not serving` : this.why, retryAt };
  }

  /** Takes how the plugin is from now on; those who wait hear when it will not be there soon. */
  settle(state: SlotStatus['state'], reason = '', retryAt?: number): void {
    this.state = state;
    this.why = reason;
    this.retryAt = retryAt;
    if (state === 'active') this.queue.serve();
    else if (state !== 'starting') this.queue.refuse(() => this.unavailable());
  }

  /** A lease at once, or undefined. Nobody overtakes those who wait. */
  tryLease(): Lease | undefined {
    return this.queue.size === 0 ? this.take() : undefined;
  }

  /**
   * Leases an instance; waits up to `holdMs` while one starts, and in a bounded
   * queue while the active one has as many requests as it may have. Waits up to
   * `holdMs` as well while the active one says that it is not serving. Fails fast
   * during back-off, saying why and when to try again.
   */
  async lease(signal: AbortSignal, holdMs: number): Promise<Lease> {
    const lease = this.tryLease();
    if (lease !== undefined) return lease;
    throwIfAborted(signal);
    const { active } = this.slot;
    const busy = active?.connected === true && active.serving;
    if (this.state !== 'starting' && active === undefined) throw this.unavailable();
    if (this.queue.full) throw this.crowded('too many requests wait for it');
    const waited = busy ? this.options.queueMs : holdMs;
    const late = await this.queue.wait(signal, waited);
    if (late !== undefined) return late;
    throwIfAborted(signal);
    if (this.slot.active?.serving !== true) throw this.unavailable();
    throw this.crowded(`none was free within ${waited} ms`);
  }

  /** Hands out what there is to those who wait. */
  serve(): void {
    if (this.queue.size > 0) this.queue.serve();
  }

  /** Why the plugin cannot be used now, and when to try again. */
  unavailable(): GatewayError {
    const { name: plugin } = this.slot;
    const { state, reason, retryAt } = this.standing;
    const retryAfterMs = retryAt === undefined ? 1000 : Math.max(retryAt - this.options.now(), 100);
    const why = reason === '' ? `plugin ${plugin} is ${state}` : reason;
    return new GatewayError('plugin_unavailable', why, { plugin, retryAfterMs, notStarted: true });
  }

  private take(): Lease | undefined {
    const { active, canary } = this.slot;
    if (canary !== undefined && (active === undefined || this.options.random() < canary.share)) {
      const lease = canary.launched.instance.lease();
      if (lease !== undefined) return lease;
    }
    return active?.lease();
  }

  private crowded(why: string): GatewayError {
    const { name: plugin } = this.slot;
    return new GatewayError('queue_full', `plugin ${plugin} is busy: ${why}`, {
      plugin,
      retryAfterMs: 1000,
      notStarted: true,
    });
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw GatewayError.from(signal.reason);
}
