import { setTimeout as sleep } from 'node:timers/promises';
import { SwapMode } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { reconfigure } from './handshake.js';
import { nextState } from './instance-state.js';
import { watchInstance } from './instance-watch.js';
import type { Lease, PluginInstance } from './instance.js';
import type { InstanceLauncher, Launched } from './launcher.js';
import { LeaseQueue } from './lease-queue.js';
import { restartDelay, type PluginSource } from './plugin-source.js';
import { retire } from './retirement.js';

/** What a slot works with and whom it tells. */
export interface SlotPort {
  readonly launcher: InstanceLauncher;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** 0 up to 1. */
  readonly random: () => number;
  /** Most requests that wait for the plugin, and how long for one that is busy, in milliseconds. */
  readonly maxQueued: number;
  readonly queueMs: number;
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

/** What a commit did. */
export interface Commit {
  readonly old: PluginInstance | undefined;
  /** Milliseconds of the exchange itself. */
  readonly commitMs: number;
}

/** An attempt to bring an instance up. */
interface Attempt {
  /** Fires when it is no longer wanted. */
  readonly over: AbortController;
  /** Fires when it need not wait for its back-off any more. */
  hurry: AbortController;
  done: Promise<void>;
}

/** An instance on its way out. */
interface Leaving {
  readonly revoke: AbortController;
  /** The plugin was told to refuse work. */
  told: boolean;
  readonly done: Promise<void>;
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
  /** What the last active instance called itself; a successor has to as well. */
  private called: string | undefined;
  /** Where to start from again when the new instance of an exclusive swap crashes soon. */
  private fallback: { readonly source: PluginSource; readonly until: number } | undefined;
  private readonly launched = new Map<PluginInstance, Launched>();
  private readonly leaving = new Map<PluginInstance, Leaving>();
  /** Starts and ends under way; the slot is closed only when there are none. */
  private readonly pending = new Set<Promise<unknown>>();
  private readonly closing = new AbortController();
  private readonly queue: LeaseQueue;
  private state: SlotStatus['state'] = 'stopped';
  private reason = '';
  private restarts = 0;
  private failures = 0;
  private generation = 0;
  private retryAt: number | undefined;
  private attempt: Attempt | undefined;
  /** An instance is to be kept active. */
  private wanted = false;
  /** How the last active instance wants to be followed by another. */
  private announcedMode: 'overlap' | 'exclusive' = 'overlap';

  constructor(
    public source: PluginSource,
    private readonly port: SlotPort,
  ) {
    this.queue = new LeaseQueue(() => this.take(), port.maxQueued);
  }

  get name(): string {
    return this.source.name;
  }

  get status(): SlotStatus {
    const { state, restarts, retryAt, active } = this;
    const reason = this.reason === '' && active?.serving === false ? this.notServing : this.reason;
    return { state, reason, restarts, retryAt };
  }

  /** How an instance of a source takes over: the source says, else the plugin, even while it is away. */
  modeFor(source: PluginSource): 'overlap' | 'exclusive' {
    return source.swapMode ?? this.announcedMode;
  }

  /** Requests that wait for a lease. */
  get queued(): number {
    return this.queue.size;
  }

  /** All instances that are not gone yet, the active one first. */
  get instances(): readonly PluginInstance[] {
    return [...this.launched.keys()].sort((a, b) => Number(b === this.active) - Number(a === this.active));
  }

  /** What the plugin calls itself, also while it is away; undefined when it was never there. */
  get announcedName(): string | undefined {
    return this.called;
  }

  /** Aborted when the slot closes. */
  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** Begins to keep an instance active, at once even during back-off; nothing when one is. */
  start(): void {
    if (this.closed.aborted) return;
    this.wanted = true;
    this.failures = 0;
    if (this.active !== undefined) return;
    if (this.attempt === undefined) this.bringUp();
    else this.attempt.hurry.abort();
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
    const busy = this.active?.connected === true && this.active.serving;
    if (this.state !== 'starting' && this.active === undefined) throw this.unavailable();
    if (this.queue.full) throw this.crowded('too many requests wait for it');
    const waited = busy ? this.port.queueMs : holdMs;
    const late = await this.queue.wait(signal, waited);
    if (late !== undefined) return late;
    throwIfAborted(signal);
    if (this.active?.serving !== true) throw this.unavailable();
    throw this.crowded(`none was free within ${waited} ms`);
  }

  /** Starts an instance of a source, as far as standby; a successor is to replace one that serves. */
  launch(
    source: PluginSource,
    signal: AbortSignal,
    successor = this.active !== undefined,
  ): Promise<Launched> {
    this.generation += 1;
    const either = new AbortController();
    const give = (event: Event): void => {
      either.abort((event.target as AbortSignal).reason);
    };
    const signals = [signal, this.closed];
    for (const one of signals) {
      if (one.aborted) either.abort(one.reason);
      else one.addEventListener('abort', give, { once: true });
    }
    const launching = this.port.launcher
      .launch(source, this.generation, either.signal, successor)
      .finally(() => {
        for (const one of signals) one.removeEventListener('abort', give);
      });
    return this.track(launching);
  }

  /**
   * Makes a launched instance the active one; the old one drains, kept for at
   * least `keepMs` so that it can be brought back. The exchange is synchronous: no
   * request sees two or none in between. Throws, having changed nothing, when the
   * instance is gone already or the slot is closed.
   */
  commit(launched: Launched, keepMs = 0): Commit {
    const { instance } = launched;
    if (this.closed.aborted) throw GatewayError.from(this.closed.reason);
    if (!instance.connected || nextState(instance.state, 'commit') === undefined) {
      throw new GatewayError(
        'plugin_unavailable',
        `the new instance of plugin ${this.name} is gone: ${instance.reason || instance.state}`,
      );
    }
    const old = this.active;
    const startedAt = performance.now();
    const drains = old?.move('drain', 'replaced');
    const commits = instance.move('commit');
    this.active = instance;
    this.called = instance.manifest?.info.name;
    this.fallback = undefined;
    const commitMs = performance.now() - startedAt;
    // From here on requests may come; the rest is for those who want to know.
    if (this.canary?.launched === launched) this.canary = undefined;
    this.source = launched.source;
    this.announcedMode = modeOf(instance);
    this.replaced = old;
    this.wanted = true;
    this.attempt?.over.abort(new GatewayError('cancelled', 'another instance took over'));
    this.attempt = undefined;
    this.adopt(launched);
    drains?.();
    commits?.();
    instance.startup.reach('active');
    instance.tell('start', instance.startup.toString());
    this.settle('active');
    if (old !== undefined) void this.retireInstance(old, 'replaced', this.source.drainTimeoutMs, keepMs);
    this.port.log.info(
      { plugin: this.name, version: instance.version, instance: instance.instanceId },
      'plugin is active',
    );
    this.port.activeChanged(this);
    return { old, commitMs };
  }

  /** Brings a draining instance back in place of the active one; false when it is too late. */
  rollBack(old: PluginInstance, why: string): boolean {
    const leaving = this.leaving.get(old);
    const launched = this.launched.get(old);
    if (leaving === undefined || leaving.told || launched === undefined) return false;
    if (old.state !== 'draining' || !old.connected || this.closed.aborted) return false;
    const failed = this.active;
    leaving.revoke.abort();
    this.leaving.delete(old);
    const drains = failed?.move('drain', why);
    const returns = old.move('rollback', why);
    this.active = old;
    this.replaced = undefined;
    this.source = launched.source;
    this.announcedMode = modeOf(old);
    drains?.();
    returns?.();
    this.settle('active');
    if (failed?.state === 'draining') void this.retireInstance(failed, why, this.source.drainTimeoutMs, 0);
    this.port.activeChanged(this);
    return true;
  }

  /** Watches an instance from now on and cleans up after it. A second call does nothing. */
  adopt(launched: Launched): void {
    const { instance } = launched;
    if (this.launched.has(instance)) return;
    this.launched.set(instance, launched);
    instance.onAvailable = () => {
      if (this.queue.size > 0) this.queue.serve();
    };
    const { log } = this.port;
    void watchInstance(launched, log, {
      lost: (why) => this.lost(launched, why),
      serving: (serves) => {
        const message = serves ? 'says that it serves again' : 'says that it is not serving';
        log.warn({ plugin: this.name, instance: instance.instanceId }, `plugin ${message}`);
        instance.tell('health', message);
        if (!serves) this.stopsServing(instance, message);
      },
      gone: (said, livedMs, wasActive) => {
        this.launched.delete(instance);
        if (wasActive) this.startAgain(said, livedMs);
      },
    });
  }

  /** Drains an instance and ends it, in the background. */
  retireInstance(instance: PluginInstance, why: string, drainMs: number, keepMs: number): Promise<void> {
    const launched = this.launched.get(instance);
    const already = this.leaving.get(instance);
    if (launched === undefined || already !== undefined) return already?.done ?? Promise.resolve();
    const revoke = new AbortController();
    const onTold = (): void => {
      leaving.told = true;
    };
    const done = retire(launched, { why, drainMs, keepMs, revoked: revoke.signal, onTold }, this.port.log)
      .catch((thrown: unknown) => {
        this.port.log.error({ plugin: this.name, err: thrown }, 'an instance did not end as it should');
        return true;
      })
      .then((ended) => {
        if (this.leaving.get(instance) === leaving) this.leaving.delete(instance);
        if (ended) this.launched.delete(instance);
      });
    const leaving: Leaving = { revoke, told: false, done };
    this.leaving.set(instance, leaving);
    return done;
  }

  /** Puts away a launched instance that is not to be; a canary ends its requests first. */
  async discard(launched: Launched, why: string): Promise<void> {
    const { instance } = launched;
    if (this.canary?.launched === launched) this.canary = undefined;
    if (instance.state === 'canary' || instance.state === 'draining') {
      await this.retireInstance(instance, why, this.source.drainTimeoutMs, 0);
      return;
    }
    instance.apply('fail', why);
    await this.track(launched.dispose(0));
    instance.apply('exited');
  }

  /** Drains the active instance and leaves the plugin stopped until it is started again. */
  async stop(why: string, drainMs: number): Promise<void> {
    this.wanted = false;
    await this.vacate(why, drainMs, 'stopped');
  }

  /** Drains the active instance and gives up bringing one up; resolves when nothing runs any more. */
  async vacate(why: string, drainMs: number, next: SlotStatus['state']): Promise<void> {
    const old = this.active;
    const attempt = this.attempt;
    this.active = undefined;
    attempt?.over.abort(new GatewayError('cancelled', why));
    this.settle(next, why);
    if (old !== undefined) {
      this.port.activeChanged(this);
      await this.retireInstance(old, why, drainMs, 0);
    }
    await attempt?.done;
  }

  /** Takes a source that changes nothing about the running instance. */
  adopted(source: PluginSource): void {
    this.source = source;
    if (this.active === undefined) this.called = undefined;
    const launched = this.active === undefined ? undefined : this.launched.get(this.active);
    if (launched === undefined) return;
    launched.source = source;
    launched.instance.capacity = source.maxInFlight;
    this.queue.serve();
  }

  /** Starts from another source; what was being started from the old one is given up. */
  async startFrom(source: PluginSource): Promise<void> {
    await this.vacate(`another source for plugin ${this.name}`, source.drainTimeoutMs, 'starting');
    this.source = source;
    this.called = undefined;
    this.start();
  }

  /**
   * Hands the active instance another configuration in place. Rejects when it
   * refuses; then the old configuration stays in force, here as in the plugin.
   */
  async configure(source: PluginSource): Promise<void> {
    const { active } = this;
    if (active === undefined) throw this.unavailable();
    this.generation += 1;
    const { capabilities, warnings } = await reconfigure(active, source.config, this.generation, this.closed);
    for (const warning of warnings) this.port.log.warn({ plugin: this.name, warning }, 'plugin warns');
    if (active.manifest !== undefined) active.accept({ ...active.manifest, capabilities });
    this.adopted(source);
    if (this.active === active) this.port.activeChanged(this);
  }

  /** When the active instance ends within this time, the plugin is started from this source again. */
  bake(source: PluginSource, bakeMs: number): void {
    this.fallback = { source, until: this.port.now() + bakeMs };
  }

  /** Starts again after a swap that came to nothing, unless it was stopped before. */
  resume(why: string): void {
    if (this.wanted) this.start();
    else this.settle('stopped', why);
  }

  /** Forgets how often it failed: what runs now is another build or another will. */
  forgive(): void {
    this.failures = 0;
  }

  /** Ends all instances, draining them first for up to `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.closing.abort(new GatewayError('cancelled', 'the host is shutting down'));
    const { canary } = this;
    this.canary = undefined;
    if (canary !== undefined) void this.retireInstance(canary.launched.instance, 'shutdown', graceMs, 0);
    for (const instance of this.instances) {
      if (instance.state === 'draining') void this.hurry(instance, graceMs);
    }
    await this.stop('shutdown', graceMs);
    while (this.pending.size > 0 || this.leaving.size > 0) {
      await Promise.allSettled([...this.pending, ...[...this.leaving.values()].map(({ done }) => done)]);
    }
  }

  /** Retires a draining instance anew, so that it keeps to the grace of a shutdown. */
  private async hurry(instance: PluginInstance, graceMs: number): Promise<void> {
    const leaving = this.leaving.get(instance);
    if (leaving === undefined || leaving.told) return;
    leaving.revoke.abort();
    this.leaving.delete(instance);
    await this.retireInstance(instance, 'shutdown', graceMs, 0);
  }

  private take(): Lease | undefined {
    const { canary } = this;
    if (canary !== undefined && (this.active === undefined || this.port.random() < canary.share)) {
      const lease = canary.launched.instance.lease();
      if (lease !== undefined) return lease;
    }
    return this.active?.lease();
  }

  private bringUp(why?: string): void {
    const attempt: Attempt = {
      over: new AbortController(),
      hurry: new AbortController(),
      done: Promise.resolve(),
    };
    this.attempt = attempt;
    if (why === undefined) this.settle('starting');
    attempt.done = this.keepTrying(attempt, why).finally(() => {
      if (this.attempt === attempt) this.attempt = undefined;
    });
  }

  private async keepTrying(attempt: Attempt, crash: string | undefined): Promise<void> {
    const over = attempt.over.signal;
    const ended = (): boolean => over.aborted || this.closed.aborted;
    if (crash !== undefined) await this.backOff(crash, attempt);
    while (!ended()) {
      try {
        const launched = await this.launch(this.source, over);
        if (ended() || this.active !== undefined) await this.discard(launched, 'no longer needed');
        else this.commit(launched);
        return;
      } catch (thrown) {
        if (ended()) return;
        const { message } = GatewayError.from(thrown);
        this.port.log.warn({ plugin: this.name, reason: message }, 'plugin did not start');
        await this.backOff(message, attempt);
      }
    }
  }

  /** An instance is gone: from here on no request gets it. True when it was the active one and none took over. */
  private lost(launched: Launched, why: string): boolean {
    const { instance } = launched;
    if (this.canary?.launched === launched) this.canary = undefined;
    if (this.active !== instance) return false;
    if (this.replaced !== undefined && this.rollBack(this.replaced, why)) {
      this.port.log.warn({ plugin: this.name, reason: why }, 'the new instance is gone; the old one is back');
      return false;
    }
    this.active = undefined;
    if (this.fallback !== undefined && this.port.now() < this.fallback.until) {
      this.source = this.fallback.source;
      instance.tell('swap', `rolled back: ${why}; the old one is started again`);
    }
    this.fallback = undefined;
    this.settle('starting', why);
    this.port.activeChanged(this);
    return true;
  }

  /** Soon after it took over, the one before can still take over again. */
  private stopsServing(instance: PluginInstance, why: string): void {
    if (this.active !== instance || this.replaced?.serving !== true) return;
    if (this.rollBack(this.replaced, `the new instance ${why}`)) {
      this.port.log.warn({ plugin: this.name, reason: why }, 'the old instance is back');
    }
  }

  private startAgain(said: string, livedMs: number): void {
    if (this.active !== undefined || this.attempt !== undefined || !this.wanted || this.closed.aborted)
      return;
    if (livedMs >= this.source.restart.resetAfterMs) this.failures = 0;
    this.bringUp(said);
  }

  /** One crash is an accident and callers are held; a second in a row is a loop and they fail fast. */
  private async backOff(why: string, attempt: Attempt): Promise<void> {
    this.failures += 1;
    this.restarts += 1;
    const delay = restartDelay(this.source.restart, this.failures, this.port.random);
    if (!attempt.over.signal.aborted) {
      this.settle(this.failures > 1 ? 'backoff' : 'starting', why, this.port.now() + delay);
    }
    attempt.hurry = new AbortController();
    const wake = new AbortController();
    const give = (): void => {
      wake.abort();
    };
    const signals = [attempt.hurry.signal, attempt.over.signal, this.closed];
    for (const one of signals) one.addEventListener('abort', give, { once: true });
    if (signals.some((one) => one.aborted)) give();
    await sleep(delay, undefined, { signal: wake.signal }).catch(() => undefined);
    for (const one of signals) one.removeEventListener('abort', give);
    const soon = this.failures <= 2 || attempt.hurry.signal.aborted;
    if (soon && this.state === 'backoff' && !attempt.over.signal.aborted) this.settle('starting', why);
  }

  private settle(state: SlotStatus['state'], reason = '', retryAt?: number): void {
    this.state = state;
    this.reason = reason;
    this.retryAt = retryAt;
    if (state === 'active') this.queue.serve();
    else if (state !== 'starting') this.queue.refuse(() => this.unavailable());
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.pending.add(work);
    const done = (): void => {
      this.pending.delete(work);
    };
    work.then(done, done);
    return work;
  }

  /** Why the plugin cannot be used now, and when to try again. */
  unavailable(): GatewayError {
    const retryAfterMs = this.retryAt === undefined ? 1000 : Math.max(this.retryAt - this.port.now(), 100);
    const { reason } = this.status;
    const why = reason === '' ? `plugin ${this.name} is ${this.state}` : reason;
    return new GatewayError('plugin_unavailable', why, { plugin: this.name, retryAfterMs, notStarted: true });
  }

  private get notServing(): string {
    return `plugin ${this.name} says that it is not serving`;
  }

  private crowded(why: string): GatewayError {
    return new GatewayError('queue_full', `plugin ${this.name} is busy: ${why}`, {
      plugin: this.name,
      retryAfterMs: 1000,
      notStarted: true,
    });
  }
}

function modeOf({ manifest }: PluginInstance): 'overlap' | 'exclusive' {
  return manifest?.capabilities.swapMode === SwapMode.SWAP_MODE_EXCLUSIVE ? 'exclusive' : 'overlap';
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw GatewayError.from(signal.reason);
}
