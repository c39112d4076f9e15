import { PluginAdmin } from './admin/plugin-admin.js';
import { PluginSet } from './admin/plugin-set.js';
import type { Config } from './config/schema.js';
import { configuredSources } from './registry/configured-sources.js';
import { Discovery } from './registry/discovery.js';
import { EndpointDirectory } from './registry/endpoint.js';
import { Launcher } from './registry/launcher.js';
import { PluginRegistry } from './registry/plugin-registry.js';
import type { Reconciliation } from './registry/reconciler.js';
import { ModelIndex } from './router/model-index.js';
import { Router } from './router/router.js';
import { LeftOutTools } from './reflection/left-out-tools.js';
import { PluginTools } from './reflection/plugin-tools.js';
import { EventLog } from './telemetry/event-log.js';
import { LoadBoard } from './telemetry/load-board.js';
import type { Logger } from './telemetry/logger.js';
import { UsageLedger } from './telemetry/usage-ledger.js';
import { hostVersion } from './version.js';

/** Everything below the doors: plugins, models, router and ledger. */
export interface EngineRoom {
  readonly registry: PluginRegistry;
  readonly models: ModelIndex;
  readonly router: Router;
  readonly ledger: UsageLedger;
  /** Tools that plugins bring. */
  readonly tools: PluginTools;
  readonly admin: PluginAdmin;
  readonly plugins: PluginSet;
  readonly events: EventLog;
  /** What loads at the moment. */
  readonly loads: LoadBoard;
  /** The desired set: configuration, plugin directory, administrators. */
  readonly discovery: Discovery;
  /** Begins to start the configured plugins; does not wait for them. */
  start(): void;
  /**
   * Takes the plugins of another valid configuration while requests run. What a
   * plugin refuses is in the result, and that plugin goes on as it was. Rejects,
   * having changed nothing, when a file that it names cannot be read.
   */
  reload(config: Config): Promise<Reconciliation>;
  /** Drains and ends all plugins. */
  close(graceMs: number): Promise<void>;
}

/** How long a request waits for a plugin that is starting, in milliseconds. */
const holdMs = 4000;

const modelTiming = { maxAgeMs: 2000, missRefreshMs: 250, timeoutMs: 5000 };

/** Puts registry, index, ledger and router together. */
export async function createEngineRoom(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Promise<EngineRoom> {
  const now = (): number => performance.now();
  const events = new EventLog(Date.now);
  const directory = await EndpointDirectory.create();
  const launcher = new Launcher({
    hostVersion,
    directory,
    log,
    now: Date.now,
    channels: 2,
    onNotice: ({ instance, type, message }) => {
      const { plugin, instanceId, version } = instance;
      events.add({ type, plugin, instanceId, version, message });
    },
    onChange: ({ instance, from, to, reason }) => {
      const { plugin, instanceId, version } = instance;
      const message = reason === '' ? `${from} to ${to}` : `${from} to ${to}: ${reason}`;
      events.add({ type: 'instance', plugin, instanceId, version, from, to, message });
      log.debug(
        { plugin: instance.plugin, instance: instance.instanceId, from, to, reason },
        'instance changed',
      );
    },
  });
  const registry = new PluginRegistry({
    launcher,
    log,
    now: Date.now,
    holdMs,
    maxQueued: config.server.maxQueued,
  });
  const models = new ModelIndex(registry, config.models, modelTiming, log, now);
  let { plugins } = config;
  const leftOut = new LeftOutTools(events, log);
  const tools = new PluginTools(registry, (plugin) => plugins[plugin]?.toolPrefix, leftOut);
  const admin = new PluginAdmin(registry, events, (plugin) => leftOut.of(plugin));
  const discovery = new Discovery({
    registry,
    directory: config.pluginDirectory,
    hostVersion,
    exchange: (slot, source, why) =>
      admin.exchange(slot, source, { why, bakeMs: 1000 }, new AbortController().signal),
    alone: (slot, work) => admin.alone(slot, work),
    events,
    log,
  });
  const ledger = new UsageLedger();
  const loads = new LoadBoard();
  const router = new Router({
    registry,
    models,
    ledger,
    loads,
    limits: {
      totalMs: config.server.requestTimeoutMs,
      firstTokenMs: config.server.firstTokenTimeoutMs,
      idleMs: config.server.idleTimeoutMs,
    },
    now,
    wallClock: Date.now,
  });
  return {
    registry,
    models,
    router,
    ledger,
    tools,
    admin,
    plugins: new PluginSet(admin, discovery, environment),
    events,
    loads,
    discovery,
    start: () => {
      void directory.tidy();
      discovery.start(configuredSources(config, environment));
    },
    reload: async (next) => {
      const sources = configuredSources(next, environment);
      ({ plugins } = next);
      return discovery.apply(sources);
    },
    close: async (graceMs) => {
      await discovery.close();
      await registry.close(graceMs);
      await directory.remove();
    },
  };
}
