import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { BringUp } from './bring-up.js';
import { nextState } from './instance-state.js';
import { watchInstance } from './instance-watch.js';
import type { Lease, PluginInstance } from './instance.js';
import type { InstanceLauncher, Launched } from './launcher.js';
import type { PluginSource } from './plugin-source.js';
import { SlotInstances } from './slot-instances.js';
import { SlotLeases, type Canary, type LeasingOptions } from './slot-leases.js';
import type { SlotStatus } from './slot-status.js';
import { Succession } from './succession.js';

/** What a slot works with and whom it tells. */
export interface SlotPort extends LeasingOptions {
  readonly launcher: InstanceLauncher;
  readonly log: Logger;
  /** Another instance, or none, takes the traffic of the plugin now; or it is stopped for good. */
  activeChanged(slot: PluginSlot): void;
}

/** What a commit did. */
export interface Commit {
  readonly old: PluginInstance | undefined;
  /** Milliseconds of the exchange itself. */
  readonly commitMs: number;
}

/**
 * One plugin of the desired set: keeps an instance of it active and starts
 * another when that ends. Who is active changes in `commit`, `rollBack`, `lost`
 * and `vacate` only, each in one synchronous step. Swaps are in swap.ts.
 */
export class PluginSlot {
  active: PluginInstance | undefined;
  canary: Canary | undefined;
  readonly succession: Succession;
  private readonly all: SlotInstances;
  private readonly leases: SlotLeases;
  private readonly bringUp: BringUp;
  private readonly closing = new AbortController();
  /** An instance is to be kept active. */
  private wanted = false;

  constructor(
    public source: PluginSource,
    private readonly port: SlotPort,
  ) {
    const { launcher, log, now, random } = port;
    this.succession = new Succession(now);
    this.all = new SlotInstances(launcher, log, this.closed);
    this.leases = new SlotLeases(this, port);
    this.bringUp = new BringUp({
      log,
      now,
      random,
      closed: this.closed,
      leases: this.leases,
      source: () => this.source,
      launch: (from, signal) => this.launch(from, signal),
      arrived: async (launched, wanted) => {
        if (wanted && this.active === undefined) this.commit(launched);
        else await this.discard(launched, 'no longer needed');
      },
    });
  }

  get name(): string {
    return this.source.name;
  }

  get status(): SlotStatus {
    return { ...this.leases.standing, restarts: this.bringUp.restarts };
  }

  /** Requests that wait for a lease. */
  get queued(): number {
    return this.leases.queued;
  }

  /** All instances that are not gone yet, the active one first. */
  get instances(): readonly PluginInstance[] {
    return this.all.list().sort((a, b) => Number(b === this.active) - Number(a === this.active));
  }

  /** Aborted when the slot closes. */
  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** Begins to keep an instance active, at once even during back-off; nothing when one is. */
  start(): void {
    if (this.closed.aborted) return;
    this.wanted = true;
    this.bringUp.forgive();
    if (this.active !== undefined) return;
    if (this.bringUp.underWay) this.bringUp.hurry();
    else this.bringUp.begin();
  }

  /** A lease at once, or undefined. */
  tryLease(): Lease | undefined {
    return this.leases.tryLease();
  }

  /** A lease within a bounded time; while an instance starts this is `holdMs`. */
  lease(signal: AbortSignal, holdMs: number): Promise<Lease> {
    return this.leases.lease(signal, holdMs);
  }

  /** Why the plugin cannot be used now, and when to try again. */
  unavailable(): GatewayError {
    return this.leases.unavailable();
  }

  /** Starts an instance of a source, as far as standby; a successor is to replace one that serves. */
  launch(
    source: PluginSource,
    signal: AbortSignal,
    successor = this.active !== undefined,
  ): Promise<Launched> {
    return this.all.launch(source, signal, successor);
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
    const commitMs = performance.now() - startedAt;
    // From here on requests may come; the rest is for those who want to know.
    if (this.canary?.launched === launched) this.canary = undefined;
    this.source = launched.source;
    this.succession.committed(instance, old);
    this.wanted = true;
    this.bringUp.supersede();
    this.adopt(launched);
    drains?.();
    commits?.();
    instance.startup.reach('active');
    instance.tell('start', instance.startup.toString());
    this.leases.settle('active');
    if (old !== undefined) void this.retire(old, 'replaced', keepMs);
    this.port.log.info(
      { plugin: this.name, version: instance.version, instance: instance.instanceId },
      'plugin is active',
    );
    this.port.activeChanged(this);
    return { old, commitMs };
  }

  /** Brings a draining instance back in place of the active one; false when it is too late. */
  rollBack(old: PluginInstance, why: string): boolean {
    const launched = this.all.get(old);
    if (launched === undefined || old.state !== 'draining' || !old.connected) return false;
    if (this.closed.aborted || !this.all.recall(old)) return false;
    const failed = this.active;
    const drains = failed?.move('drain', why);
    const returns = old.move('rollback', why);
    this.active = old;
    this.source = launched.source;
    this.succession.returned(old);
    drains?.();
    returns?.();
    this.leases.settle('active');
    if (failed?.state === 'draining') void this.retire(failed, why);
    this.port.activeChanged(this);
    return true;
  }

  /** Watches an instance from now on and cleans up after it. A second call does nothing. */
  adopt(launched: Launched): void {
    const { instance } = launched;
    if (!this.all.add(launched)) return;
    instance.onAvailable = () => {
      this.leases.serve();
    };
    void watchInstance(launched, this.port.log, {
      lost: (why) => this.lost(launched, why),
      mute: (said) => {
        this.stopsServing(instance, said);
      },
      gone: (said, livedMs, wasActive) => {
        this.all.remove(instance);
        if (wasActive) this.startAgain(said, livedMs);
      },
    });
  }

  /** Puts away a launched instance that is not to be; a canary ends its requests first. */
  async discard(launched: Launched, why: string): Promise<void> {
    if (this.canary?.launched === launched) this.canary = undefined;
    await this.all.discard(launched, why, this.source.drainTimeoutMs);
  }

  /** Drains the active instance and leaves the plugin stopped until it is started again. */
  async stop(why: string, drainMs: number): Promise<void> {
    this.wanted = false;
    await this.vacate(why, drainMs, 'stopped');
  }

  /** Drains the active instance and gives up bringing one up; resolves when nothing runs any more. */
  async vacate(why: string, drainMs: number, next: SlotStatus['state']): Promise<void> {
    const old = this.active;
    this.active = undefined;
    const givenUp = this.bringUp.giveUp(why);
    this.leases.settle(next, why);
    if (old !== undefined || next === 'stopped') this.port.activeChanged(this);
    if (old !== undefined) {
      await this.all.retire(old, { why, drainMs, keepMs: 0 });
    }
    await givenUp;
  }

  /** Takes a source that changes nothing about the running instance. */
  adopted(source: PluginSource): void {
    this.source = source;
    if (this.active === undefined) this.succession.name = undefined;
    const launched = this.active === undefined ? undefined : this.all.get(this.active);
    if (launched === undefined) return;
    launched.source = source;
    launched.instance.capacity = source.maxInFlight;
    this.leases.serve();
  }

  /**
   * Hands the active instance another configuration in place. Rejects when it
   * refuses; then the old configuration stays in force, here as in the plugin.
   */
  async configure(source: PluginSource): Promise<void> {
    const { active } = this;
    if (active === undefined) throw this.unavailable();
    await this.all.configure(active, source.config);
    this.adopted(source);
    if (this.active === active) this.port.activeChanged(this);
  }

  /** Starts again after a swap that came to nothing, unless it was stopped before. */
  resume(why: string): void {
    if (this.wanted) this.start();
    else this.leases.settle('stopped', why);
  }

  /** Forgets how often it failed: what runs now is another build or another will. */
  forgive(): void {
    this.bringUp.forgive();
  }

  /** Ends all instances, draining them first for up to `graceMs`; `why` is what a swap under way and waiting requests are told. */
  async close(graceMs: number, why = 'the host is shutting down'): Promise<void> {
    this.closing.abort(new GatewayError('cancelled', why));
    const { canary } = this;
    this.canary = undefined;
    const departure = { why, drainMs: graceMs, keepMs: 0 };
    if (canary !== undefined) void this.all.retire(canary.launched.instance, departure);
    this.all.hurry(departure);
    await this.stop(why, graceMs);
    await this.all.settled();
  }

  /** An instance is gone: from here on no request gets it. True when it was the active one and none took over. */
  private lost(launched: Launched, why: string): boolean {
    const { instance } = launched;
    if (this.canary?.launched === launched) this.canary = undefined;
    if (this.active !== instance) return false;
    const { replaced } = this.succession;
    if (replaced !== undefined && this.rollBack(replaced, `the new instance is gone: ${why}`)) {
      this.port.log.warn({ plugin: this.name, reason: why }, 'the new instance is gone; the old one is back');
      return false;
    }
    this.active = undefined;
    const before = this.succession.fallBack();
    if (before !== undefined) {
      this.source = before;
      instance.tell('swap', `rolled back: ${why}; the old one is started again`);
    }
    this.leases.settle('starting', why);
    this.port.activeChanged(this);
    return true;
  }

  /** Soon after it took over, the one before can still take over again. */
  private stopsServing(instance: PluginInstance, why: string): void {
    const { replaced } = this.succession;
    if (this.active !== instance || replaced?.serving !== true) return;
    if (this.rollBack(replaced, `the new instance ${why}`)) {
      this.port.log.warn({ plugin: this.name, reason: why }, 'the old instance is back');
    }
  }

  private startAgain(said: string, livedMs: number): void {
    if (this.active !== undefined || this.bringUp.underWay || !this.wanted || this.closed.aborted) return;
    if (livedMs >= this.source.restart.resetAfterMs) this.bringUp.forgive();
    this.bringUp.begin(said);
  }

  /** Drains an instance within the time of its source and ends it, in the background. */
  private retire(instance: PluginInstance, why: string, keepMs = 0): Promise<void> {
    return this.all.retire(instance, { why, drainMs: this.source.drainTimeoutMs, keepMs });
  }
}
