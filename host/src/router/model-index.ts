import { OPERATIONS } from './operations.js';
import { GatewayError } from '../errors/gateway-error.js';
import { nearestAll } from '../config/nearest.js';
import type { PluginInstance } from '../registry/instance.js';
import { contract } from '../registry/plugin-client.js';
import type { PluginRegistry } from '../registry/plugin-registry.js';
import type { Logger } from '../telemetry/logger.js';
import type { ModelEntry } from './inference.js';

/** Most models kept per plugin, and the longest list asked for. */
const maxModels = 5000;
const pageSize = 500;

/** How a name in a request is resolved beside the models themselves. */
export interface ModelNames {
  /** Model of requests that name none. */
  readonly default?: string | undefined;
  readonly aliases: Readonly<Record<string, string>>;
}

/** Timing of the index, in milliseconds. */
export interface ModelIndexTiming {
  /** A list older than this is asked for again when somebody looks. */
  readonly maxAgeMs: number;
  /** An unknown name asks all plugins again, but not more often than this. */
  readonly missRefreshMs: number;
  /** Longest wait for one plugin's list. */
  readonly timeoutMs: number;
}

interface PluginModels {
  readonly plugin: string;
  readonly version: string;
  readonly entries: readonly ModelEntry[];
  readonly fetchedAt: number;
}

/**
 * Which model lives where. Lists are kept per plugin and asked for again when
 * they are old, when another instance becomes active, or when a name is unknown.
 * The models of a plugin that is away stay known: a request for one is told that
 * the plugin is away, not that the model does not exist.
 */
export class ModelIndex {
  private readonly lists = new Map<string, PluginModels>();
  private byName = new Map<string, ModelEntry>();
  private ambiguous = new Map<string, readonly string[]>();
  private entries_: readonly ModelEntry[] = [];
  private refreshing: Promise<void> | undefined;
  private lastMiss = -Infinity;

  constructor(
    private readonly registry: PluginRegistry,
    private names: ModelNames,
    private readonly timing: ModelIndexTiming,
    private readonly log: Logger,
    private readonly now: () => number,
  ) {
    registry.onRemoved((name) => {
      this.forget(name);
    });
    registry.onActiveChanged((slot) => {
      if (slot.active !== undefined) void this.refreshPlugin(slot.active);
    });
  }

  /** The entry of a name that is known now; undefined otherwise. Cheap: one look-up. */
  peek(name: string): ModelEntry | undefined {
    return this.byName.get(name === '' ? (this.names.default ?? '') : name);
  }

  /** The entry of a name; asks the plugins again before it gives up. */
  async resolve(name: string): Promise<ModelEntry> {
    const known = this.peek(name);
    if (known !== undefined) return known;
    if (name === '' && this.names.default === undefined) return this.onlyModel();
    if (this.now() - this.lastMiss >= this.timing.missRefreshMs) {
      this.lastMiss = this.now();
      await this.refresh();
    } else if (this.refreshing !== undefined) await this.refreshing;
    const found = this.peek(name);
    if (found !== undefined) return found;
    throw this.unknown(name === '' ? (this.names.default ?? '') : name);
  }

  /** All entries in a stable order; lists that are old are asked for first. */
  async list(): Promise<readonly ModelEntry[]> {
    const stale = this.registry
      .activeInstances()
      .some(
        (instance) =>
          this.now() - (this.lists.get(instance.plugin)?.fetchedAt ?? -Infinity) > this.timing.maxAgeMs,
      );
    if (stale) await this.refresh();
    return this.entries_;
  }

  /** Asks all active plugins; joins a round that is under way. */
  refresh(): Promise<void> {
    this.refreshing ??= Promise.all(
      this.registry.activeInstances().map((instance) => this.refreshPlugin(instance)),
    ).then(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  /** Asks one instance; a failure keeps what was known. */
  async refreshPlugin(instance: PluginInstance): Promise<void> {
    if (instance.manifest?.capabilities.operations.includes(OPERATIONS.listModels) !== true) return;
    try {
      const entries: ModelEntry[] = [];
      let pageToken = '';
      do {
        const page = await instance.client.unary(
          contract.models.listModels,
          { pageSize, pageToken },
          { timeoutMs: this.timing.timeoutMs },
        );
        for (const model of page.models) {
          entries.push({
            id: `${instance.plugin}/${model.id}`,
            names: [],
            plugin: instance.plugin,
            pluginVersion: instance.version,
            model,
          });
        }
        pageToken = page.nextPageToken;
      } while (pageToken !== '' && entries.length < maxModels);
      this.lists.set(instance.plugin, {
        plugin: instance.plugin,
        version: instance.version,
        entries: entries.slice(0, maxModels),
        fetchedAt: this.now(),
      });
      this.rebuild();
    } catch (thrown) {
      this.log.debug(
        { plugin: instance.plugin, err: GatewayError.from(thrown).message },
        'models could not be listed',
      );
    }
  }

  /** From here on these names count. */
  rename(names: ModelNames): void {
    this.names = names;
    this.rebuild();
  }

  /** Forgets a plugin that was taken out. */
  forget(plugin: string): void {
    if (this.lists.delete(plugin)) this.rebuild();
  }

  private rebuild(): void {
    const candidates = new Map<string, ModelEntry[]>();
    const offer = (name: string, entry: ModelEntry): void => {
      const list = candidates.get(name);
      if (list === undefined) candidates.set(name, [entry]);
      else if (!list.includes(entry)) list.push(entry);
    };
    const all = [...this.lists.values()]
      .sort((a, b) => (a.plugin < b.plugin ? -1 : 1))
      .flatMap((list) => list.entries)
      .filter((entry) => this.registry.get(entry.plugin) !== undefined);
    for (const entry of all) {
      for (const name of [entry.model.id, ...entry.model.aliases]) offer(name, entry);
    }
    const byName = new Map<string, ModelEntry>();
    const ambiguous = new Map<string, readonly string[]>();
    for (const [name, entries] of candidates) {
      const [first] = entries;
      if (entries.length === 1 && first !== undefined) byName.set(name, first);
      else
        ambiguous.set(
          name,
          entries.map((entry) => entry.id),
        );
    }
    // `name@version/model` pins a version, under the name of the slot or the one that the plugin announces.
    for (const entry of all) {
      const announced = this.registry.get(entry.plugin)?.active?.manifest?.info.name ?? entry.plugin;
      for (const plugin of new Set([entry.plugin, announced])) {
        byName.set(`${plugin}@${entry.pluginVersion}/${entry.model.id}`, entry);
      }
    }
    // Qualified names win over bare ones that look alike, aliases over both.
    for (const entry of all) {
      for (const name of [entry.model.id, ...entry.model.aliases])
        byName.set(`${entry.plugin}/${name}`, entry);
    }
    for (const [alias, target] of Object.entries(this.names.aliases)) {
      const entry = byName.get(target);
      if (entry !== undefined) byName.set(alias, entry);
    }
    const namesOf = new Map<ModelEntry, string[]>();
    for (const [name, entry] of byName) {
      // What pins a version is for those who ask for it and would only lengthen lists.
      if (name === entry.id || name.split('/')[0]?.includes('@') === true) continue;
      const names = namesOf.get(entry);
      if (names === undefined) namesOf.set(entry, [name]);
      else names.push(name);
    }
    const withNames = new Map(all.map((entry) => [entry, { ...entry, names: namesOf.get(entry) ?? [] }]));
    this.byName = new Map([...byName].map(([name, entry]) => [name, withNames.get(entry) ?? entry]));
    this.ambiguous = ambiguous;
    this.entries_ = [...withNames.values()];
  }

  private async onlyModel(): Promise<ModelEntry> {
    const entries = await this.list();
    const starting = this.starting();
    if (entries.length === 0 && starting !== undefined) throw notYet('which models there are', starting);
    const preferred = entries.filter((entry) => entry.model.preferred);
    if (preferred.length === 1 && preferred[0] !== undefined) return preferred[0];
    const chat = entries.filter((entry) => entry.model.capabilities?.chat !== false);
    const [only] = chat.length === 1 ? chat : entries;
    if (only !== undefined && (chat.length === 1 || entries.length === 1)) return only;
    throw new GatewayError(
      'invalid_request',
      `model is missing: name one (${summary(entries.map((entry) => entry.id))}) or set models.default in the configuration`,
      { param: 'model' },
    );
  }

  /** A plugin on its way up for the first time: what it will serve is not known yet. */
  private starting(): string | undefined {
    return this.registry
      .list()
      .find(
        ({ name, status }) => status.state === 'starting' && status.restarts === 0 && !this.lists.has(name),
      )?.name;
  }

  private unknown(name: string): GatewayError {
    const shown = JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
    const several = this.ambiguous.get(name);
    if (several !== undefined) {
      return new GatewayError(
        'model_not_found',
        `model ${shown} is served by several plugins: name one of ${summary(several)}`,
        { param: 'model' },
      );
    }
    const plugin = name.split('/')[0] ?? '';
    const slot = this.registry.get(plugin);
    if (slot !== undefined && slot.active === undefined && name.includes('/')) {
      return slot.unavailable();
    }
    const starting = this.starting();
    if (starting !== undefined) throw notYet(`whether there is a model ${shown}`, starting);
    const near = nearestAll(name, this.byName.keys());
    const known = this.entries_.map((entry) => entry.id);
    const hint =
      near.length > 0
        ? `; did you mean ${near.join(' or ')}?`
        : known.length > 0
          ? `; there are ${summary(known)}`
          : '; no plugin has a model yet';
    return new GatewayError('model_not_found', `model ${shown} does not exist${hint}`, { param: 'model' });
  }
}

/** Worth asking again, unlike a model that does not exist: clients try this by themselves. */
function notYet(what: string, plugin: string): GatewayError {
  return new GatewayError(
    'plugin_unavailable',
    `it is not known yet ${what}: plugin ${plugin} is still starting`,
    { plugin, retryAfterMs: 1000 },
  );
}

/** A few names and how many more. */
function summary(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown || 'none';
}
