import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { leasable } from './instance-state.js';
import type { Lease, PluginInstance } from './instance.js';
import type { InstanceLauncher } from './launcher.js';
import { PluginSlot } from './plugin-slot.js';
import type { PluginSource } from './plugin-source.js';

/** Most plugins that one host keeps. */
const maxPlugins = 200;

/** What the registry needs of its host. */
export interface RegistryOptions {
  readonly launcher: InstanceLauncher;
  readonly log: Logger;
  readonly now: () => number;
  /** How long a request waits for a plugin that is starting, in milliseconds. */
  readonly holdMs: number;
  /** How long a request waits for a plugin that is busy, in milliseconds. Default one minute. */
  readonly queueMs?: number;
  /** Most requests that wait for one plugin. Default 1024. */
  readonly maxQueued?: number;
  /** 0 up to 1. Default Math.random. */
  readonly random?: () => number;
}

/** All plugins of the host, by name. */
export class PluginRegistry {
  private readonly slots = new Map<string, PluginSlot>();
  private readonly listeners = new Set<(slot: PluginSlot) => void>();
  private readonly removed = new Set<(name: string) => void>();
  /** Plugins that were taken out and still drain. */
  private readonly leaving = new Set<Promise<void>>();
  private closed = false;

  constructor(private readonly options: RegistryOptions) {}

  /** Adds a plugin to the desired set and starts to keep it alive. */
  add(source: PluginSource): PluginSlot {
    if (this.closed) throw new GatewayError('plugin_unavailable', 'the host is shutting down');
    if (this.slots.has(source.name)) {
      throw new GatewayError('conflict', `a plugin named ${source.name} is there already`);
    }
    if (this.slots.size >= maxPlugins) {
      throw new GatewayError('queue_full', `a host keeps at most ${maxPlugins} plugins`);
    }
    const { launcher, log, now, random = Math.random, queueMs = 60_000, maxQueued = 1024 } = this.options;
    const slot = new PluginSlot(source, {
      launcher,
      log,
      now,
      random,
      queueMs,
      maxQueued,
      activeChanged: (changed) => {
        for (const listener of this.listeners) listener(changed);
      },
    });
    this.slots.set(source.name, slot);
    slot.start();
    return slot;
  }

  /** Takes a plugin out and ends its instances, draining them first for up to `graceMs`. */
  async remove(name: string, graceMs: number): Promise<void> {
    const slot = this.slots.get(name);
    if (slot === undefined) return;
    this.slots.delete(name);
    for (const listener of this.removed) listener(name);
    const done = slot.close(graceMs, `plugin ${name} was taken out`);
    this.leaving.add(done);
    await done.finally(() => this.leaving.delete(done));
  }

  get(name: string): PluginSlot | undefined {
    return this.slots.get(name);
  }

  /** All plugins in the order of their names. */
  list(): readonly PluginSlot[] {
    return [...this.slots.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Calls `listener` whenever another instance, or none, becomes the active one of a plugin, and when it is stopped. */
  onActiveChanged(listener: (slot: PluginSlot) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls `listener` whenever a plugin is taken out. */
  onRemoved(listener: (name: string) => void): () => void {
    this.removed.add(listener);
    return () => this.removed.delete(listener);
  }

  /** A lease at once, or undefined: nothing is waited for. */
  tryLease(name: string): Lease | undefined {
    return this.slots.get(name)?.tryLease();
  }

  /** Leases an instance of a plugin; waits a bounded time while it starts. */
  lease(name: string, signal: AbortSignal): Promise<Lease> | Lease {
    const slot = this.slots.get(name);
    if (slot === undefined) throw new GatewayError('plugin_unavailable', `there is no plugin named ${name}`);
    return slot.tryLease() ?? slot.lease(signal, this.options.holdMs);
  }

  /** Active instances, in the order of their plugins' names. */
  activeInstances(): readonly PluginInstance[] {
    return this.list().flatMap((slot) => slot.active ?? []);
  }

  /**
   * Leases an instance of exactly this version: the active one or canary of the
   * plugin, else one of another entry that announces the same plugin name. Two
   * versions side by side are two entries of the configuration.
   */
  leaseVersion(name: string, version: string, signal: AbortSignal): Promise<Lease> | Lease {
    const named = this.list().filter(
      (slot) => slot.name === name || slot.active?.manifest?.info.name === name,
    );
    for (const slot of named) {
      if (slot.active?.version === version && slot.canary === undefined) return this.lease(slot.name, signal);
      const lease = slot.instances.find((one) => one.version === version)?.lease();
      if (lease !== undefined) return lease;
    }
    if (
      named.some((slot) => slot.instances.some((one) => one.version === version && leasable.has(one.state)))
    ) {
      throw new GatewayError('plugin_unavailable', `plugin ${name} ${version} takes no more requests now`, {
        plugin: name,
        retryAfterMs: 1000,
        notStarted: true,
      });
    }
    const there = named.flatMap((slot) => slot.active?.version ?? []);
    throw new GatewayError(
      'not_found',
      `plugin ${name} does not run in version ${version}; it runs in ${there.join(', ') || 'none'}`,
      { plugin: name },
    );
  }

  /** Ends all plugins at the same time. */
  async close(graceMs: number): Promise<void> {
    this.closed = true;
    await Promise.all([...[...this.slots.values()].map((slot) => slot.close(graceMs)), ...this.leaving]);
  }
}
