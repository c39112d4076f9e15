import { PluginAdmin } from './admin/plugin-admin.js';
import type { Config } from './config/schema.js';
import { configuredSources } from './registry/configured-sources.js';
import { EndpointDirectory } from './registry/endpoint.js';
import { Launcher } from './registry/launcher.js';
import { PluginRegistry } from './registry/plugin-registry.js';
import { ModelIndex } from './router/model-index.js';
import { Router } from './router/router.js';
import { PluginTools } from './reflection/plugin-tools.js';
import { EventLog } from './telemetry/event-log.js';
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
  readonly events: EventLog;
  /** Begins to start the configured plugins; does not wait for them. */
  start(): void;
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
  const tools = new PluginTools(registry, (plugin) => config.plugins[plugin]?.toolPrefix, log);
  const admin = new PluginAdmin(registry, events);
  const ledger = new UsageLedger();
  const router = new Router({
    registry,
    models,
    ledger,
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
    events,
    start: () => {
      for (const source of configuredSources(config, environment)) registry.add(source);
    },
    close: async (graceMs) => {
      await registry.close(graceMs);
      await directory.remove();
    },
  };
}
