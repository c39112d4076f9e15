import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { watchHealth } from './handshake.js';
import type { Lease, PluginInstance } from './instance.js';
import type { Launched, Launcher } from './launcher.js';
import { contract } from './plugin-client.js';
import { restartDelay, type PluginSource } from './plugin-source.js';

/** What a slot tells its registry. */
export interface SlotObserver {
  /** Another instance, or none, takes the traffic of the plugin now. */
  activeChanged(slot: PluginSlot): void;
}

/** How a slot is, for people. */
export interface SlotStatus {
  readonly name: string;
  readonly state: 'starting' | 'active' | 'backoff' | 'stopped';
  /** Why the plugin is away, in one line. */
  readonly reason: string;
  readonly restarts: number;
  /** When the next start is due, in milliseconds since the epoch. */
  readonly retryAt: number | undefined;
}

/** Time between SIGTERM and SIGKILL for an instance that has drained, in milliseconds. */
const stopGraceMs = 3000;

/**
 * One plugin of the desired set: keeps an instance of it active, starts another
 * when that ends, and exchanges instances without losing a request. Everything
 * that changes who is active happens in `commit`, in one synchronous step.
 */
export class PluginSlot {
  active: PluginInstance | undefined;
  source: PluginSource;
  private readonly launched = new Map<PluginInstance, Launched>();
  private readonly closing = new AbortController();
  private status_: SlotStatus['state'] = 'starting';
  private reason = '';
  private restarts = 0;
  private failures = 0;
  private generation = 0;
  private retryAt: number | undefined;
  private waiters = new Set<() => void>();
  private running: Promise<void> | undefined;
  private readonly ending = new Set<Promise<void>>();

  constructor(
    source: PluginSource,
    private readonly launcher: Launcher,
    private readonly observer: SlotObserver,
    private readonly log: Logger,
    private readonly now: () => number,
  ) {
    this.source = source;
  }

  get name(): string {
    return this.source.name;
  }

  get status(): SlotStatus {
    return {
      name: this.name,
      state: this.status_,
      reason: this.reason,
      restarts: this.restarts,
      retryAt: this.retryAt,
    };
  }

  /** All instances that are not gone yet, the active one first. */
  get instances(): readonly PluginInstance[] {
    return [...this.launched.keys()].sort((a, b) => Number(b === this.active) - Number(a === this.active));
  }

  /** Begins to keep an instance active. */
  start(): void {
    this.running ??= this.keepAlive();
  }

  /**
   * Leases the active instance, waiting up to `holdMs` while one starts. Fails
   * fast during back-off, saying why and when to try again.
   */
  async lease(signal: AbortSignal, holdMs: number): Promise<Lease> {
    const lease = this.active?.lease();
    if (lease !== undefined) return lease;
    if (this.status_ === 'starting' || this.active?.connected === false) await this.changed(signal, holdMs);
    const later = this.active?.lease();
    if (later !== undefined) return later;
    if (signal.aborted) throw GatewayError.from(signal.reason);
    throw this.unavailable();
  }

  /** A lease at once, or undefined. */
  tryLease(): Lease | undefined {
    return this.active?.lease();
  }

  /** Ends all instances, draining them first for up to `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.status_ = 'stopped';
    this.closing.abort(new GatewayError('cancelled', 'the host is shutting down'));
    await this.running?.catch(() => undefined);
    const active = this.active;
    this.active = undefined;
    this.wake();
    if (active !== undefined) this.retire(active, 'shutdown', graceMs);
    await Promise.all(this.ending);
  }

  private async keepAlive(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      const startedAt = this.now();
      try {
        this.status_ = 'starting';
        const launched = await this.launcher.launch(this.source, ++this.generation, signal);
        this.commit(launched);
        const gone = await this.whenGone(launched, signal);
        if (gone === undefined) return;
        this.reason = gone;
      } catch (thrown) {
        if (signal.aborted) return;
        this.reason = GatewayError.from(thrown).message;
        this.log.warn({ plugin: this.name, reason: this.reason }, 'plugin did not start');
      }
      if (this.now() - startedAt >= this.source.restart.resetAfterMs) this.failures = 0;
      this.failures += 1;
      this.restarts += 1;
      await this.backOff(signal);
    }
  }

  /** Makes a launched instance the active one. Synchronous: no request sees two or none in between. */
  private commit(launched: Launched): void {
    const { instance } = launched;
    this.launched.set(instance, launched);
    const old = this.active;
    old?.apply('drain', 'replaced');
    instance.apply('commit');
    this.active = instance;
    this.status_ = 'active';
    this.reason = '';
    this.retryAt = undefined;
    if (old !== undefined) this.retire(old, 'swap', this.source.drainTimeoutMs);
    this.log.info(
      { plugin: this.name, version: instance.version, instance: instance.instanceId },
      'plugin is active',
    );
    this.observer.activeChanged(this);
    this.wake();
  }

  /** Waits until the instance is gone and returns why; undefined when the slot closes first. */
  private async whenGone(launched: Launched, signal: AbortSignal): Promise<string | undefined> {
    const { instance } = launched;
    const watching = new AbortController();
    const closed = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const exit = launched.exited.then((ended) => `plugin ${this.name} ${ended.reason}`);
    const lost = watchHealth(instance, AbortSignal.any([signal, watching.signal]), () => undefined);
    const gone = await Promise.race([closed, exit, lost, instance.broken]);
    watching.abort();
    if (signal.aborted || gone === undefined) return undefined;
    // From here on no request gets it; why it is gone is found out afterwards.
    instance.apply('lost', gone);
    if (this.active === instance) {
      this.active = undefined;
      this.status_ = 'starting';
      this.observer.activeChanged(this);
    }
    // A lost connection comes a moment before the exit that explains it.
    const explained = await Promise.race([
      exit,
      sleep(500, `plugin ${this.name} was lost: ${gone}`, { ref: false }),
    ]);
    this.log.error({ plugin: this.name, reason: explained }, 'plugin is gone');
    instance.apply('wait', explained);
    this.launched.delete(instance);
    await launched.dispose(0);
    return explained;
  }

  private async backOff(signal: AbortSignal): Promise<void> {
    const delay = restartDelay(this.source.restart, this.failures, Math.random);
    // One crash is an accident and callers are held; a second in a row is a loop and they fail fast.
    this.status_ = this.failures > 1 ? 'backoff' : 'starting';
    this.retryAt = this.now() + delay;
    if (this.failures > 1) this.wake();
    await new Promise<void>((resolve) => {
      const onAbort = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, delay);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Drains an instance and ends it, in the background. */
  private retire(instance: PluginInstance, why: string, drainMs: number): void {
    const launched = this.launched.get(instance);
    if (launched === undefined) return;
    const work = this.drain(instance, why, drainMs)
      .then(async () => {
        instance.apply('drained');
        await launched.dispose(stopGraceMs);
        instance.apply('exited');
      })
      .catch((thrown: unknown) => {
        this.log.error({ plugin: this.name, err: thrown }, 'an instance did not end as it should');
      })
      .finally(() => {
        this.launched.delete(instance);
        this.ending.delete(work);
      });
    this.ending.add(work);
  }

  /** Waits until neither host nor plugin has requests of it in flight, or the time is over. */
  private async drain(instance: PluginInstance, why: string, drainMs: number): Promise<void> {
    if (instance.state === 'active') instance.apply('drain', why);
    const signal = AbortSignal.timeout(drainMs);
    try {
      await instance.whenIdle(signal);
      if (this.source.origin.kind === 'attach') return;
      for await (const { inFlight } of instance.client.stream(
        contract.lifecycle.drain,
        { reason: why },
        { signal },
      )) {
        if (inFlight === 0) break;
      }
    } catch {
      // The time is over or the instance is gone; what is still in flight fails with an explicit error.
      if (signal.aborted)
        this.log.warn({ plugin: this.name, inFlight: instance.inFlight }, 'drain ran out of time');
    }
  }

  private unavailable(): GatewayError {
    const retryAfterMs = this.retryAt === undefined ? 1000 : Math.max(this.retryAt - this.now(), 100);
    const why = this.reason === '' ? `plugin ${this.name} is ${this.status_}` : this.reason;
    return new GatewayError('plugin_unavailable', why, { plugin: this.name, retryAfterMs, notStarted: true });
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) waiter();
  }

  /** Resolves at the next change, when the signal fires or after `timeoutMs`. */
  private changed(signal: AbortSignal, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}
