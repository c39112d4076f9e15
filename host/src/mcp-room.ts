import type { Readable, Writable } from 'node:stream';
import type { Config } from './config/schema.js';
import { createMcpDoor, type McpDoor } from './doors/mcp/http-endpoint.js';
import { createToolCatalog, type ToolCatalog } from './doors/mcp/tool-catalog.js';
import { eventResource } from './doors/mcp/tools/event-resource.js';
import { inferenceInstructions, inferenceTools } from './doors/mcp/tools/inference-tools.js';
import { inferenceResources } from './doors/mcp/tools/resources.js';
import { inferencePort } from './doors/mcp-inference.js';
import { pluginToolProvider } from './doors/mcp-plugin-tools.js';
import type { EngineRoom } from './engine-room.js';
import type { Logger } from './telemetry/logger.js';
import { hostVersion, productName } from './version.js';

/** Everything about MCP: what it offers and the two ways to it. */
export interface McpRoom {
  readonly door: McpDoor;
  /** Loads what `serveStdio` needs. */
  prepareStdio(): Promise<void>;
  /** Speaks on a pair of streams until the input ends or the signal fires. */
  serveStdio(input: Readable, output: Writable, signal: AbortSignal): Promise<void>;
  close(graceMs: number): Promise<void>;
}

/** Puts catalog and door together. */
export function openMcpRoom(
  room: EngineRoom,
  config: Config,
  logger: Logger,
  strictParams: () => boolean,
): McpRoom {
  const catalog = createCatalog(room, config, logger, strictParams);
  const door = openDoor(catalog, config, logger);
  return {
    door,
    prepareStdio: async () => {
      await import('./doors/mcp/stdio.js');
    },
    serveStdio: async (stdin, stdout, signal) => {
      const { serveMcpStdio } = await import('./doors/mcp/stdio.js');
      await serveMcpStdio({ catalog, logger, stdin, stdout, signal });
    },
    close: async (graceMs) => {
      await door.close(graceMs);
      catalog.close();
    },
  };
}

function createCatalog(
  room: EngineRoom,
  config: Config,
  logger: Logger,
  strictParams: () => boolean,
): ToolCatalog {
  const port = inferencePort(
    room.router,
    {
      plugins: () =>
        room.admin.list().map(({ name, version, state, reason, runtime, tools }) => ({
          name,
          version,
          state,
          reason,
          runtime,
          tools,
        })),
      usage: () => ({ totals: room.ledger.totals(), recent: room.ledger.recent(20) }),
    },
    strictParams,
  );
  return createToolCatalog({
    info: { name: productName, version: hostVersion, title: 'Outrigger' },
    instructions: inferenceInstructions,
    tools: inferenceTools(port),
    providers: [pluginToolProvider(room.tools, config.server.requestTimeoutMs)],
    resources: [inferenceResources(port), eventResource(room.events)],
    logger,
  });
}

function openDoor(catalog: ToolCatalog, config: Config, logger: Logger): McpDoor {
  const { server, mcp } = config;
  return createMcpDoor({
    catalog,
    logger,
    // The listener in front has checked Host, Origin and credential already.
    allowedHosts: ['*'],
    allowedOrigins: ['*'],
    limits: {
      bodyBytes: server.maxBodyBytes,
      callMs: server.requestTimeoutMs,
      keepAliveMs: server.keepAliveMs,
      sessions: mcp.maxSessions,
      sessionIdleMs: mcp.sessionTtlMs,
      outstandingBytes: mcp.maxBufferedBytes,
      pageSize: mcp.pageSize,
    },
  });
}
