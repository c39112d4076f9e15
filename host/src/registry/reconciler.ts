import { GatewayError } from '../errors/gateway-error.js';
import type { EventLog } from '../telemetry/event-log.js';
import type { Logger } from '../telemetry/logger.js';
import type { PluginRegistry } from './plugin-registry.js';
import type { PluginSlot } from './plugin-slot.js';
import type { PluginSource } from './plugin-source.js';
import { difference, type SourceDifference } from './source-difference.js';

/** What a new desired set changed, by the names of plugins. */
export interface Reconciliation {
  readonly added: readonly string[];
  /** Taken out; they drain in the background. */
  readonly removed: readonly string[];
  /** Exchanged for an instance of another origin. */
  readonly swapped: readonly string[];
  /** Given another configuration in place. */
  readonly configured: readonly string[];
  /** What could not be done; the plugin goes on as it was. */
  readonly refused: readonly { readonly plugin: string; readonly reason: string }[];
}

/** What the reconciler works with. */
export interface ReconcilerOptions {
  readonly registry: PluginRegistry;
  /** Exchanges a plugin for an instance of this source, alone with it; rejects with the reason. */
  readonly exchange: (slot: PluginSlot, source: PluginSource) => Promise<unknown>;
  /** Does something with a plugin while nobody else is at it. */
  readonly alone: <T>(slot: PluginSlot, work: () => Promise<T>) => Promise<T>;
  readonly events: EventLog;
  readonly log: Logger;
  /** Hears the sources in force after every change. */
  readonly onSources: (sources: readonly PluginSource[]) => void;
}

/** Who wants a plugin; the first that names one decides. */
type Origin = 'configured' | 'administered' | 'announced';
const precedence: readonly Origin[] = ['configured', 'administered', 'announced'];

/**
 * Brings the registry to the desired set: the plugins of the configuration,
 * those that an administrator added and those that announced themselves in the
 * plugin directory. One change at a time; plugins are treated side by side.
 */
export class Reconciler {
  private readonly desired: Record<Origin, readonly PluginSource[]> = {
    configured: [],
    administered: [],
    announced: [],
  };
  /** What each plugin of the desired set was last brought to. */
  private readonly applied = new Map<string, PluginSource>();
  private last: Promise<unknown> | undefined;

  constructor(private readonly options: ReconcilerOptions) {}

  /** Takes the plugins of a valid configuration. */
  apply(sources: readonly PluginSource[]): Promise<Reconciliation> {
    return this.change('configured', () => sources);
  }

  /** Takes the plugins that announce themselves now. */
  announce(sources: readonly PluginSource[]): Promise<Reconciliation> {
    return this.change('announced', () => sources);
  }

  /** Adds a plugin, or exchanges one that was added before; until `exclude` or the end of the host. */
  include(source: PluginSource): Promise<Reconciliation> {
    const taken = this.desired.configured.some(({ name }) => name === source.name);
    if (taken) {
      throw new GatewayError(
        'conflict',
        `plugin ${source.name} is in the configuration; change it there or swap it`,
        { param: 'name' },
      );
    }
    return this.change('administered', (others) => [
      ...others.filter(({ name }) => name !== source.name),
      source,
    ]);
  }

  /** Takes a plugin out that `include` added. */
  exclude(name: string): Promise<Reconciliation> {
    if (!this.desired.administered.some((source) => source.name === name)) {
      throw new GatewayError(
        'conflict',
        `plugin ${name} was not added by an administrator; take it out of the configuration or drain it`,
        { param: 'name' },
      );
    }
    return this.change('administered', (others) => others.filter((source) => source.name !== name));
  }

  /** The sources that are in force. */
  sources(): readonly PluginSource[] {
    const chosen = new Map<string, PluginSource>();
    for (const origin of precedence) {
      for (const source of this.desired[origin]) {
        if (!chosen.has(source.name)) chosen.set(source.name, source);
      }
    }
    return [...chosen.values()];
  }

  private change(
    origin: Origin,
    next: (others: readonly PluginSource[]) => readonly PluginSource[],
  ): Promise<Reconciliation> {
    this.desired[origin] = next(this.desired[origin]);
    // What comes meanwhile is done afterwards, all at once.
    const work = this.last === undefined ? this.reconcile() : this.last.then(() => this.reconcile());
    const last = work
      .catch(() => undefined)
      .then(() => {
        if (this.last === last) this.last = undefined;
      });
    this.last = last;
    return work;
  }

  private async reconcile(): Promise<Reconciliation> {
    const { registry, onSources } = this.options;
    const sources = this.sources();
    const result = {
      added: [] as string[],
      removed: [] as string[],
      swapped: [] as string[],
      configured: [] as string[],
      refused: [] as { plugin: string; reason: string }[],
    };
    const wanted = new Set(sources.map(({ name }) => name));
    for (const name of [...this.applied.keys()]) {
      if (wanted.has(name)) continue;
      result.removed.push(name);
      this.applied.delete(name);
      this.remove(name);
    }
    onSources(sources);
    await Promise.all(
      sources.map(async (source) => {
        try {
          const slot = registry.get(source.name);
          if (slot === undefined) {
            registry.add(source);
            this.applied.set(source.name, source);
            result.added.push(source.name);
            return;
          }
          const done = await this.adjust(slot, this.applied.get(source.name) ?? slot.source, source);
          this.applied.set(source.name, source);
          if (done !== undefined) result[done].push(source.name);
        } catch (thrown) {
          const reason = GatewayError.from(thrown).message;
          result.refused.push({ plugin: source.name, reason });
          this.tell(source.name, `the new configuration was refused: ${reason}`);
        }
      }),
    );
    return result;
  }

  /**
   * Brings a plugin from what was wanted of it to what is wanted now. What an
   * operator swapped in meanwhile stays, as long as nothing about it is new.
   */
  private async adjust(
    slot: PluginSlot,
    was: PluginSource,
    source: PluginSource,
  ): Promise<'swapped' | 'configured' | undefined> {
    const what = difference(was, source);
    if (what === 'none') return undefined;
    for (;;) {
      // It was found again before it was announced, or its socket has another path now.
      if (announces(source, slot.active?.instanceId)) {
        slot.adopted(source);
        return undefined;
      }
      if (what === 'instance' && slot.active !== undefined) {
        await this.options.exchange(slot, source);
        return 'swapped';
      }
      const done = await this.options.alone(slot, () => this.adjustAlone(slot, what, source));
      if (done !== 'again') return done;
    }
  }

  private async adjustAlone(
    slot: PluginSlot,
    what: SourceDifference,
    source: PluginSource,
  ): Promise<'swapped' | 'configured' | 'again' | undefined> {
    if (what === 'policy') {
      const { origin, config, swapMode } = slot.source;
      slot.adopted({ ...source, origin, config, swapMode });
      return undefined;
    }
    if (slot.status.state === 'stopped') {
      slot.adopted(source);
      return undefined;
    }
    if (slot.active === undefined) {
      await slot.vacate(`another source for plugin ${slot.name}`, source.drainTimeoutMs, 'starting');
      slot.adopted(source);
      slot.start();
      return 'swapped';
    }
    // It was brought up while others were at it.
    if (what === 'instance') return 'again';
    await slot.configure(source);
    this.tell(source.name, 'configured in place');
    return 'configured';
  }

  private remove(name: string): void {
    const { registry, log } = this.options;
    const slot = registry.get(name);
    if (slot === undefined) return;
    this.tell(name, 'taken out of the desired set');
    registry.remove(name, slot.source.drainTimeoutMs).catch((thrown: unknown) => {
      log.error({ plugin: name, err: thrown }, 'a plugin did not end as it should');
    });
  }

  private tell(plugin: string, message: string): void {
    this.options.events.add({ type: 'config', plugin, message });
    this.options.log.info({ plugin }, message);
  }
}

/** Whether a source announces just this instance. */
function announces({ origin }: PluginSource, instanceId: string | undefined): boolean {
  return origin.kind === 'attach' && origin.instance !== undefined && origin.instance === instanceId;
}
