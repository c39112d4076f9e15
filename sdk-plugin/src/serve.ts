import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseEndpoint } from './endpoint.js';
import { PluginInstance } from './instance.js';
import { stderrLog } from './json-log.js';
import { defaultGrace } from './lifecycle.js';
import type { Log } from './log.js';
import { definePlugin, type PluginDefinition } from './plugin.js';
import { PluginServer } from './plugin-server.js';
import { liveInProcess } from './process-life.js';

/** How a plugin is served. All are optional. */
export interface ServeOptions {
  /** Where to listen; else `--endpoint`, else PLUGIN_ENDPOINT, else a socket in the temporary directory. */
  readonly endpoint?: string;
  /**
   * The plugin owns its process: it obeys signals, watches its parent where
   * PLUGIN_PARENT_GUARD asks for it, and exits when it is shut down. Default
   * true. Set to false inside a program that does more than serve the plugin.
   */
  readonly exit?: boolean;
  /** Largest request in bytes. Default 16 MiB. */
  readonly maxReceiveBytes?: number;
  /** How long SIGTERM waits for requests in flight, in milliseconds. Default 30 seconds. */
  readonly drainMs?: number;
  /** How long stop() may take after a signal or close(), in milliseconds. Default 5 seconds. */
  readonly graceMs?: number;
  /** Where to log; default JSON lines on standard error, level from LOG_LEVEL. */
  readonly log?: Log;
}

/** A plugin that listens. */
export interface RunningPlugin {
  /** The address to attach: `unix:///path` or `host:port`. */
  readonly endpoint: string;
  /** New for every start. */
  readonly instanceId: string;
  /** Cuts what is open, calls stop() and closes the socket. May be called again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const usage = (name: string): string =>
  `Serves the plugin ${name} over gRPC.\n\n` +
  `  --endpoint ADDRESS   where to listen: unix:///path.sock or host:port (default: $PLUGIN_ENDPOINT,\n` +
  `                       else a socket in the temporary directory)\n` +
  `  --help               this text\n`;

/** The address from the command line, if it is there. Arguments of the plugin's own are let pass. */
function argument(name: string): string | undefined {
  const { values } = parseArgs({
    options: { endpoint: { type: 'string' }, help: { type: 'boolean' } },
    strict: false,
    allowPositionals: true,
  });
  if (values.help === true) {
    process.stdout.write(usage(name));
    process.exit(0);
  }
  return typeof values.endpoint === 'string' && values.endpoint !== '' ? values.endpoint : undefined;
}

function attachHint(definition: { name: string }, endpoint: string): string {
  return (
    `${definition.name} was started by hand and listens on\n\n    ${endpoint}\n\n` +
    `Attach it to a host by this address. To choose it yourself: --endpoint unix:///tmp/${definition.name}.sock\n` +
    `or --endpoint 127.0.0.1:50051, or set PLUGIN_ENDPOINT. Ctrl-C drains and stops.\n`
  );
}

async function start<Config>(
  definition: PluginDefinition<Config>,
  options: ServeOptions,
): Promise<RunningPlugin> {
  const own = options.exit !== false;
  const given =
    options.endpoint ??
    (own ? (argument(definition.name) ?? (process.env['PLUGIN_ENDPOINT'] || undefined)) : undefined);
  const endpoint = parseEndpoint(
    given ?? `unix://${join(tmpdir(), `${definition.name}-${process.pid}-${Date.now().toString(36)}.sock`)}`,
  );
  const instance = new PluginInstance(
    definition,
    (id) => options.log ?? stderrLog({ plugin: definition.name, instance: id }),
    options.maxReceiveBytes ?? 16 * 1024 * 1024,
  );
  const server = new PluginServer(instance);
  const graceMs = options.graceMs ?? defaultGrace;
  instance.requestStop = own
    ? liveInProcess({ server, log: instance.log, drainMs: options.drainMs ?? 30_000, graceMs })
    : (grace) => void server.stop(grace);
  const address = await server.listen(endpoint);
  instance.log.info('listening', { endpoint: address, version: definition.version, pid: process.pid });
  if (own && given === undefined) process.stderr.write(attachHint(definition, address));
  const close = (): Promise<void> => server.stop(graceMs);
  return { endpoint: address, instanceId: instance.instanceId, close, [Symbol.asyncDispose]: close };
}

/**
 * Serves a plugin until it is shut down. It binds nothing but its endpoint.
 *
 * In a process of its own (the default) this call owns the process: a mistake in
 * the definition or an address that cannot be used is written to standard error
 * and ends the process with status 1; with `exit: false` it is thrown.
 */
export async function servePlugin<Config>(
  definition: PluginDefinition<Config>,
  options: ServeOptions = {},
): Promise<RunningPlugin> {
  try {
    return await start(definePlugin(definition), options);
  } catch (error) {
    if (options.exit === false) throw error;
    const log = options.log ?? stderrLog({ plugin: definition.name });
    log.error('the plugin cannot start', { error });
    process.stderr.write(`${definition.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
