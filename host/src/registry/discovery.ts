import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { EventLog } from '../telemetry/event-log.js';
import type { Logger } from '../telemetry/logger.js';
import { FileWatch } from './file-watch.js';
import { MemoryGuard } from './memory-guard.js';
import { PluginDirectory } from './plugin-directory.js';
import type { PluginRegistry } from './plugin-registry.js';
import type { PluginSlot } from './plugin-slot.js';
import type { PluginSource } from './plugin-source.js';
import { Reconciler, type Reconciliation } from './reconciler.js';

/** What discovery works with. */
export interface DiscoveryOptions {
  readonly registry: PluginRegistry;
  /** Directory in which plugins announce themselves; undefined for none. */
  readonly directory: string | undefined;
  readonly hostVersion: string;
  /** Exchanges a plugin for an instance of a source (its own when undefined), alone with it. */
  readonly exchange: (slot: PluginSlot, source: PluginSource | undefined, why: string) => Promise<unknown>;
  /** Does something with a plugin while nobody else is at it; rejects with a conflict otherwise. */
  readonly alone: <T>(slot: PluginSlot, work: () => Promise<T>) => Promise<T>;
  readonly events: EventLog;
  readonly log: Logger;
}

/** How often an exchange is tried while somebody else is at the plugin. */
const maxAttempts = 60;

/**
 * Keeps the plugins what they should be: from the configuration, from a
 * directory of sockets and from administrators; exchanged when their files
 * change or they hold too much memory.
 */
export class Discovery {
  private readonly closing = new AbortController();
  private readonly reconciler: Reconciler;
  private readonly directory: PluginDirectory | undefined;
  private readonly files: FileWatch;
  private readonly memory: MemoryGuard;
  private starting: Promise<void> = Promise.resolve();

  constructor(options: DiscoveryOptions) {
    const { registry, directory, hostVersion, events, log } = options;
    const exchange: DiscoveryOptions['exchange'] = (slot, source, why) =>
      this.patiently(() => options.exchange(slot, source, why));
    this.files = new FileWatch((plugin) => {
      const slot = registry.get(plugin);
      if (slot === undefined || slot.status.state === 'stopped') return;
      // The refusal is in the events; the old one serves on.
      exchange(slot, undefined, 'its files have changed').catch((thrown: unknown) => {
        log.warn({ plugin, reason: GatewayError.from(thrown).message }, 'changed files were not taken');
      });
    }, log);
    this.memory = new MemoryGuard({ registry, log, replace: (slot, why) => exchange(slot, undefined, why) });
    this.reconciler = new Reconciler({
      registry,
      exchange: (slot, source) => exchange(slot, source, 'the desired set has changed'),
      alone: (slot, work) => this.patiently(() => options.alone(slot, work)),
      events,
      log,
      onSources: (sources) => {
        this.files.update(sources);
      },
    });
    this.directory =
      directory === undefined
        ? undefined
        : new PluginDirectory({
            path: directory,
            hostVersion,
            serves: (address) =>
              registry.activeInstances().some((one) => one.address === address && one.connected),
            onPlugins: (sources) => {
              this.announce(sources, log);
            },
            events,
            log,
          });
  }

  /** Takes the configured plugins and begins to watch. */
  start(sources: readonly PluginSource[]): void {
    void this.reconciler.apply(sources);
    this.memory.start();
    this.starting = this.directory?.start() ?? Promise.resolve();
    this.starting.catch(() => undefined);
  }

  /** Resolves when the plugin directory was looked through once; rejects when it cannot be used. */
  ready(): Promise<void> {
    return this.starting;
  }

  /** Takes the plugins of another configuration. */
  apply(sources: readonly PluginSource[]): Promise<Reconciliation> {
    return this.reconciler.apply(sources);
  }

  /** Adds a plugin on an administrator's word, until the host ends. */
  include(source: PluginSource): Promise<Reconciliation> {
    return this.reconciler.include(source);
  }

  /** Takes out what `include` added. */
  exclude(name: string): Promise<Reconciliation> {
    return this.reconciler.exclude(name);
  }

  /** Looks through the plugin directory now. */
  async rescan(): Promise<void> {
    await this.directory?.rescan();
  }

  async close(): Promise<void> {
    this.closing.abort(new GatewayError('cancelled', 'the host is shutting down'));
    this.files.close();
    this.memory.close();
    await this.directory?.close();
  }

  /** An operator may be at the same plugin: then it is tried again. */
  private async patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (thrown) {
        const { retryAfterMs, kind } = GatewayError.from(thrown);
        if (kind !== 'conflict' || retryAfterMs === undefined || attempt >= maxAttempts) throw thrown;
        await sleep(retryAfterMs, undefined, { ref: false, signal: this.closing.signal }).catch(() => {
          throw thrown;
        });
      }
    }
  }

  private announce(sources: readonly PluginSource[], log: Logger): void {
    this.reconciler.announce(sources).catch((thrown: unknown) => {
      log.error({ err: thrown }, 'announced plugins could not be taken in');
    });
  }
}
