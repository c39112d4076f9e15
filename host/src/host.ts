import type { Readable, Writable } from 'node:stream';
import type { ConfigOrigin } from './config/config-source.js';
import type { Config } from './config/schema.js';
import { adminRoutes } from './doors/admin-routes.js';
import { configRoutes } from './doors/config-routes.js';
import { pluginSetRoutes } from './doors/plugin-set-routes.js';
import { metricsRoutes } from './doors/metrics-routes.js';
import { dashboardRoutes } from './doors/dashboard/dashboard-routes.js';
import { restModel } from './doors/rest/rest-model.js';
import type { StatsPort } from './doors/dashboard/stats.js';
import { createHttpDoor, type HttpDoor } from './doors/http-listener.js';
import { createEngineRoom, type EngineRoom } from './engine-room.js';
import { followStatus, type HostStatus } from './host-status.js';
import { LiveSettings } from './live-settings.js';
import { Reloader, type ReloadReport } from './reload.js';
import type { Logger } from './telemetry/logger.js';
import { watchTraffic } from './telemetry/traffic.js';
import { createLogger } from './telemetry/pino-logger.js';
import type { McpRoom } from './mcp-room.js';
import { openMetrics } from './metrics-room.js';
import { hostVersion } from './version.js';

export type { HostStatus } from './host-status.js';

/** What a host is given besides its configuration. */
export interface HostDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger?: Logger;
  /** Where `config` was read and can be read again. Without it the host keeps what it was given. */
  readonly origin?: ConfigOrigin;
}

/** A running host. */
export interface Host extends AsyncDisposable {
  /** Where it listens; known once `start` has resolved. */
  readonly address: { readonly host: string; readonly port: number; readonly url: string };
  /** Listens and begins to start plugins; does not wait for them. */
  start(): Promise<void>;
  /** Drains for at most `graceMs` milliseconds and ends everything. Idempotent. */
  close(graceMs?: number): Promise<void>;
  /** Reads and takes the configuration again; rejects when it cannot be taken. Absent without an origin. */
  readonly reload?: (why: string) => Promise<ReloadReport>;
  onStatus(listener: (status: HostStatus) => void): () => void;
  /** As `GET /mcp/v1/models` answers. */
  listModels(): Promise<{ readonly models: readonly object[] }>;
  /** Loads what `serveStdio` needs, for example while plugins start. */
  prepareStdio(): Promise<void>;
  /** Speaks MCP on a pair of streams until the input ends. */
  serveStdio(streams: { input: Readable; output: Writable; signal: AbortSignal }): Promise<void>;
}

/** Builds a host: the one place that names concrete parts and puts them together. */
export async function createHost(config: Config, deps: HostDeps): Promise<Host> {
  const logger = deps.logger ?? createLogger(config.log);
  const room = await createEngineRoom(config, deps.env, logger);
  const live = new LiveSettings(config, room, deps.env);
  const { gates } = live;
  const reloader =
    deps.origin === undefined
      ? undefined
      : new Reloader({
          origin: deps.origin,
          apply: (next) => live.apply(next),
          events: room.events,
          log: logger,
          now: Date.now,
        });
  const startedAt = Date.now();
  const uptimeMs = (): number => Date.now() - startedAt;
  const metrics = openMetrics({
    room,
    uptimeMs,
    inFlight: () => http.inFlight,
    stalled: () => http.stalled.size,
    config: () => reloader?.status(),
  });
  const mcp = new LazyMcp(room, config, logger, () => live.strictParams);
  const http: HttpDoor = createHttpDoor({
    inference: room.router,
    config: config.server,
    strictParams: () => live.strictParams,
    version: hostVersion,
    logger,
    gate: (request) => gates.mayCall(request),
    waiting: (plugin) => room.router.waiting(plugin),
    callerOf: (request) => gates.callerOf(request, config.server.maxInFlightPerCaller !== undefined),
    answers: metrics.answers,
    ...(config.mcp.enabled
      ? {
          mcp: async (request, response) => {
            const { door } = await mcp.open();
            await door.handler(request, response);
          },
        }
      : {}),
    info: {
      uptimeMs,
      ...(reloader === undefined ? {} : { config: () => reloader.status() }),
      plugins: () =>
        room.admin.list().map(({ name, version, state, instances }) => ({
          name,
          version,
          state,
          instanceId: instances[0]?.instanceId ?? '',
        })),
    },
    admin: { listPlugins: () => room.admin.list() },
    readiness: { checks: () => readiness(room) },
    routes: [
      ...adminRoutes({
        plugins: room.admin,
        events: room.events,
        tools: room.tools,
        toolTimeoutMs: config.server.requestTimeoutMs,
        gate: ({ request }) => gates.mayAdminister(request),
      }),
      ...pluginSetRoutes(room.plugins, ({ request }) => gates.mayAdminister(request)),
      ...(reloader === undefined
        ? []
        : configRoutes({
            reload: () => reloader.reload('an administrator asked'),
            gate: ({ request }) => gates.mayAdminister(request),
          })),
      ...metricsRoutes(metrics),
      ...dashboardRoutes({ stats: statsPort(room, uptimeMs) }),
    ],
  });
  return new RunningHost(config, room, http, mcp, logger, reloader);
}

/** The figures of the dashboard. */
function statsPort({ ledger, admin }: EngineRoom, uptimeMs: () => number): StatsPort {
  const traffic = watchTraffic(ledger, () => performance.now());
  return {
    version: hostVersion,
    uptimeMs,
    totals: () => ledger.totals(),
    plugins: () => admin.list(),
    pluginTraffic: (name) => traffic.plugins.read(name),
    instanceTraffic: (instanceId) => traffic.instances.read(instanceId),
    hostTraffic: () => traffic.host.read(),
  };
}

/** Ready when at least one plugin can take requests; vendors and databases do not count. */
function readiness(room: EngineRoom) {
  const plugins = room.admin.list();
  const active = plugins.filter(
    ({ state, instances }) => state === 'active' && instances[0]?.serving === true,
  );
  return [
    {
      name: 'plugins',
      ok: active.length > 0 || plugins.length === 0,
      detail: plugins
        .map(({ name, state, reason }) => `${name}: ${state}${reason === '' ? '' : ` (${reason})`}`)
        .join('; '),
    },
  ];
}

/** The MCP door, loaded for its first client: its libraries take more time and memory than all the rest. */
class LazyMcp {
  private opened: Promise<McpRoom> | undefined;

  constructor(
    private readonly room: EngineRoom,
    private readonly config: Config,
    private readonly logger: Logger,
    private readonly strictParams: () => boolean,
  ) {}

  open(): Promise<McpRoom> {
    this.opened ??= this.load();
    return this.opened;
  }

  async close(graceMs: number): Promise<void> {
    const room = await this.opened?.catch(() => undefined);
    await room?.close(graceMs);
  }

  private async load(): Promise<McpRoom> {
    const { openMcpRoom } = await import('./mcp-room.js');
    return openMcpRoom(this.room, this.config, this.logger, this.strictParams);
  }
}

class RunningHost implements Host {
  address = { host: '', port: 0, url: '' };
  readonly reload?: (why: string) => Promise<ReloadReport>;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly config: Config,
    private readonly room: EngineRoom,
    private readonly http: HttpDoor,
    private readonly mcp: LazyMcp,
    private readonly logger: Logger,
    private readonly reloader: Reloader | undefined,
  ) {
    if (reloader !== undefined) this.reload = (why) => reloader.reload(why);
  }

  async start(): Promise<void> {
    const { address: host, port } = await this.http.listen();
    const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
    this.address = { host, port, url: `http://${shown}:${port}` };
    this.logger.info({ url: this.address.url, version: hostVersion }, 'listening');
    this.room.start();
    this.reloader?.watch();
  }

  close(graceMs = this.config.server.shutdownGraceMs): Promise<void> {
    this.closing ??= this.shutDown(graceMs);
    return this.closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  onStatus(listener: (status: HostStatus) => void): () => void {
    return followStatus(this.room, listener);
  }

  async listModels(): Promise<{ readonly models: readonly object[] }> {
    return { models: (await this.room.router.listModels()).map(restModel) };
  }

  async prepareStdio(): Promise<void> {
    await (await this.mcp.open()).prepareStdio();
  }

  async serveStdio({
    input,
    output,
    signal,
  }: {
    input: Readable;
    output: Writable;
    signal: AbortSignal;
  }): Promise<void> {
    const mcp = await this.mcp.open();
    await mcp.serveStdio(input, output, signal);
  }

  /** Doors first, so that what is under way can finish; then the plugins behind them. */
  private async shutDown(graceMs: number): Promise<void> {
    const until = performance.now() + graceMs;
    this.reloader?.close();
    await Promise.all([this.http.close(graceMs), this.mcp.close(graceMs)]);
    await this.room.close(Math.max(until - performance.now(), 100));
    this.logger.info({}, 'stopped');
  }
}
