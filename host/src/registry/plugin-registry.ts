import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import type { Lease, PluginInstance } from './instance.js';
import type { Launcher } from './launcher.js';
import { PluginSlot } from './plugin-slot.js';
import type { PluginSource } from './plugin-source.js';

/** Most plugins that one host keeps. */
const maxPlugins = 200;

/** What the registry needs of its host. */
export interface RegistryOptions {
  readonly launcher: Launcher;
  readonly log: Logger;
  readonly now: () => number;
  /** How long a request waits for a plugin that is starting, in milliseconds. */
  readonly holdMs: number;
}

/** All plugins of the host, by name. */
export class PluginRegistry {
  private readonly slots = new Map<string, PluginSlot>();
  private readonly listeners = new Set<(slot: PluginSlot) => void>();
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
    const { launcher, log, now } = this.options;
    const slot = new PluginSlot(source, {
      launcher,
      log,
      now,
      activeChanged: (changed) => {
        for (const listener of this.listeners) listener(changed);
      },
    });
    this.slots.set(source.name, slot);
    slot.start();
    return slot;
  }

  /** Takes a plugin out and ends its instances. */
  async remove(name: string, graceMs: number): Promise<void> {
    const slot = this.slots.get(name);
    this.slots.delete(name);
    await slot?.close(graceMs);
  }

  get(name: string): PluginSlot | undefined {
    return this.slots.get(name);
  }

  /** All plugins in the order of their names. */
  list(): readonly PluginSlot[] {
    return [...this.slots.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Calls `listener` whenever another instance becomes the active one of a plugin. */
  onActiveChanged(listener: (slot: PluginSlot) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
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

  /** Ends all plugins at the same time. */
  async close(graceMs: number): Promise<void> {
    this.closed = true;
    await Promise.all([...this.slots.values()].map((slot) => slot.close(graceMs)));
  }
}
