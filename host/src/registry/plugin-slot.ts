import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { watchHealth } from './handshake.js';
import type { Lease, PluginInstance } from './instance.js';
import type { Launched, Launcher } from './launcher.js';
import { restartDelay, type PluginSource } from './plugin-source.js';
import { retire } from './retirement.js';
import { Waiters } from './waiters.js';

/** What a slot works with and whom it tells. */
export interface SlotPort {
  readonly launcher: Launcher;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Another instance, or none, takes the traffic of the plugin now. */
  activeChanged(slot: PluginSlot): void;
}

/** How a plugin is, for people. */
export interface SlotStatus {
  readonly state: 'starting' | 'active' | 'backoff' | 'stopped';
  /** Why the plugin is away, in one line. */
  readonly reason: string;
  readonly restarts: number;
  /** When the next start is due, in milliseconds since the epoch. */
  readonly retryAt: number | undefined;
}

/** A share of the traffic that an instance gets before it is committed. */
export interface Canary {
  readonly launched: Launched;
  /** 0 to 1. */
  readonly share: number;
}

/**
 * One plugin of the desired set: keeps an instance of it active and starts
 * another when that ends. Who is active changes in `commit` and `rollBack`
 * only, each in one synchronous step. Swaps are in swap.ts.
 */
export class PluginSlot {
  active: PluginInstance | undefined;
  canary: Canary | undefined;
  /** What the active instance took over from; it may come back while it drains. */
  private replaced: PluginInstance | undefined;
  private readonly launched = new Map<PluginInstance, Launched>();
  private readonly retiring = new Map<PluginInstance, { revoke: AbortController; done: Promise<void> }>();
  private readonly closing = new AbortController();
  private readonly waiters = new Waiters();
  private state: SlotStatus['state'] = 'stopped';
  private reason = '';
  private restarts = 0;
  private failures = 0;
  private generation = 0;
  private retryAt: number | undefined;
  private bringingUp: Promise<void> | undefined;

  constructor(
    public source: PluginSource,
    private readonly port: SlotPort,
  ) {}

  get name(): string {
    return this.source.name;
  }

  get status(): SlotStatus {
    const { state, reason, restarts, retryAt } = this;
    return { state, reason, restarts, retryAt };
  }

  /** All instances that are not gone yet, the active one first. */
  get instances(): readonly PluginInstance[] {
    return [...this.launched.keys()].sort((a, b) => Number(b === this.active) - Number(a === this.active));
  }

  /** Aborted when the slot closes. */
  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** Begins to keep an instance active; nothing when one is. */
  start(): void {
    if (this.active !== undefined || this.closed.aborted) return;
    this.state = 'starting';
    this.bringingUp ??= this.bringUp().finally(() => {
      this.bringingUp = undefined;
    });
  }

  /** A lease at once, or undefined. */
  tryLease(): Lease | undefined {
    if (this.canary !== undefined && Math.random() < this.canary.share) {
      const lease = this.canary.launched.instance.lease();
      if (lease !== undefined) return lease;
    }
    return this.active?.lease();
  }

  /**
   * Leases an instance, waiting up to `holdMs` while one starts. Fails fast
   * during back-off, saying why and when to try again.
   */
  async lease(signal: AbortSignal, holdMs: number): Promise<Lease> {
    const until = this.port.now() + holdMs;
    for (;;) {
      const lease = this.tryLease();
      if (lease !== undefined) return lease;
      if (signal.aborted) throw GatewayError.from(signal.reason);
      const left = until - this.port.now();
      if (left <= 0 || !(this.state === 'starting' || this.active?.connected === false))
        throw this.unavailable();
      if (this.waiters.full) {
        throw new GatewayError('queue_full', `too many requests wait for plugin ${this.name}`, {
          plugin: this.name,
          retryAfterMs: 1000,
        });
      }
      await this.waiters.next(signal, left);
    }
  }

  /** Starts an instance of a source, as far as standby. */
  launch(source: PluginSource, signal: AbortSignal): Promise<Launched> {
    this.generation += 1;
    return this.port.launcher.launch(source, this.generation, AbortSignal.any([signal, this.closed]));
  }

  /**
   * Makes a launched instance the active one; the old one drains, kept for at
   * least `keepMs` so that it can be brought back. Synchronous: no request sees
   * two or none in between. Returns the old one.
   */
  commit(launched: Launched, keepMs = 0): PluginInstance | undefined {
    const { instance } = launched;
    const old = this.active;
    old?.apply('drain', 'replaced');
    if (this.canary?.launched === launched) this.canary = undefined;
    instance.apply('commit');
    this.active = instance;
    this.replaced = old;
    this.settle('active');
    if (old !== undefined) void this.retireInstance(old, 'replaced', this.source.drainTimeoutMs, keepMs);
    if (!this.launched.has(instance)) this.adopt(launched);
    this.port.log.info(
      { plugin: this.name, version: instance.version, instance: instance.instanceId },
      'plugin is active',
    );
    this.port.activeChanged(this);
    return old;
  }

  /** Brings a draining instance back in place of the active one; false when it is too late. */
  rollBack(old: PluginInstance, why: string): boolean {
    const retiring = this.retiring.get(old);
    if (retiring === undefined || old.state !== 'draining' || !old.connected) return false;
    const failed = this.active;
    this.replaced = undefined;
    if (failed?.state === 'active') failed.apply('drain', why);
    retiring.revoke.abort();
    old.apply('rollback', why);
    this.active = old;
    this.settle('active');
    if (failed?.state === 'draining') void this.retireInstance(failed, why, this.source.drainTimeoutMs, 0);
    this.port.activeChanged(this);
    return true;
  }

  /** Watches an instance from now on and cleans up after it. */
  adopt(launched: Launched): void {
    this.launched.set(launched.instance, launched);
    void this.watch(launched);
  }

  /** Drains an instance and ends it, in the background. */
  retireInstance(instance: PluginInstance, why: string, drainMs: number, keepMs: number): Promise<void> {
    const launched = this.launched.get(instance);
    if (launched === undefined) return Promise.resolve();
    const revoke = new AbortController();
    const done = retire(launched, { why, drainMs, keepMs, revoked: revoke.signal }, this.port.log)
      .then((ended) => {
        if (ended) this.launched.delete(instance);
      })
      .catch((thrown: unknown) => {
        this.port.log.error({ plugin: this.name, err: thrown }, 'an instance did not end as it should');
        this.launched.delete(instance);
      })
      .finally(() => {
        if (this.retiring.get(instance)?.revoke === revoke) this.retiring.delete(instance);
      });
    this.retiring.set(instance, { revoke, done });
    return done;
  }

  /** Drains the active instance and leaves the plugin stopped until it is started again. */
  async stop(why: string, drainMs: number, next: SlotStatus['state'] = 'stopped'): Promise<void> {
    const old = this.active;
    this.active = undefined;
    this.settle(next, why);
    this.port.activeChanged(this);
    if (old !== undefined) await this.retireInstance(old, why, drainMs, 0);
  }

  /** Ends all instances, draining them first for up to `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.closing.abort(new GatewayError('cancelled', 'the host is shutting down'));
    await this.bringingUp;
    if (this.canary !== undefined)
      void this.retireInstance(this.canary.launched.instance, 'shutdown', graceMs, 0);
    this.canary = undefined;
    await this.stop('shutdown', graceMs);
    await Promise.all([...this.retiring.values()].map(({ done }) => done));
  }

  private async bringUp(): Promise<void> {
    while (!this.closed.aborted) {
      try {
        const launched = await this.launch(this.source, this.closed);
        if (this.active === undefined && !this.closed.aborted) this.commit(launched);
        else await launched.dispose(1000);
        return;
      } catch (thrown) {
        if (this.closed.aborted) return;
        const { message } = GatewayError.from(thrown);
        this.port.log.warn({ plugin: this.name, reason: message }, 'plugin did not start');
        await this.backOff(message);
      }
    }
  }

  private async watch(launched: Launched): Promise<void> {
    const { instance } = launched;
    const watching = new AbortController();
    const bornAt = this.port.now();
    const exit = launched.exited.then((ended) => `plugin ${this.name} ${ended.reason}`);
    const lost = watchHealth(instance, watching.signal, () => undefined);
    const gone = await Promise.race([exit, lost, instance.broken]);
    watching.abort();
    // One that was told to go needs no explanation.
    if (!instance.apply('lost', gone)) return;
    const wasActive = this.active === instance;
    if (wasActive && this.replaced !== undefined && this.rollBack(this.replaced, gone)) {
      this.port.log.warn(
        { plugin: this.name, reason: gone },
        'the new instance is gone; the old one is back',
      );
    } else if (wasActive) {
      // From here on no request gets it; why it is gone is found out afterwards.
      this.active = undefined;
      this.settle('starting', gone);
      this.port.activeChanged(this);
    }
    if (this.canary?.launched === launched) this.canary = undefined;
    // A lost connection comes a moment before the exit that explains it.
    const said = await Promise.race([
      exit,
      sleep(500, `plugin ${this.name} was lost: ${gone}`, { ref: false }),
    ]);
    this.port.log.error({ plugin: this.name, reason: said }, 'plugin is gone');
    instance.apply('wait', said);
    this.launched.delete(instance);
    await launched.dispose(0);
    if (!wasActive || this.active !== undefined || this.closed.aborted || this.state === 'stopped') return;
    if (this.port.now() - bornAt >= this.source.restart.resetAfterMs) this.failures = 0;
    this.bringingUp ??= this.backOff(said)
      .then(() => (this.active === undefined ? this.bringUp() : undefined))
      .finally(() => {
        this.bringingUp = undefined;
      });
  }

  /** One crash is an accident and callers are held; a second in a row is a loop and they fail fast. */
  private async backOff(why: string): Promise<void> {
    this.failures += 1;
    this.restarts += 1;
    const delay = restartDelay(this.source.restart, this.failures, Math.random);
    this.retryAt = this.port.now() + delay;
    this.settle(this.failures > 1 ? 'backoff' : 'starting', why, this.retryAt);
    await sleep(delay, undefined, { signal: this.closed }).catch(() => undefined);
    if (this.state === 'backoff' && this.failures <= 2) this.state = 'starting';
  }

  private settle(state: SlotStatus['state'], reason = '', retryAt?: number): void {
    this.state = state;
    this.reason = reason;
    this.retryAt = retryAt;
    this.waiters.wake();
  }

  private unavailable(): GatewayError {
    const retryAfterMs = this.retryAt === undefined ? 1000 : Math.max(this.retryAt - this.port.now(), 100);
    const why = this.reason === '' ? `plugin ${this.name} is ${this.state}` : this.reason;
    return new GatewayError('plugin_unavailable', why, { plugin: this.name, retryAfterMs, notStarted: true });
  }
}
