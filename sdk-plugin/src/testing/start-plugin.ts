import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PluginDefinition } from '../plugin.js';
import { servePlugin, type ServeOptions } from '../serve.js';
import { PluginClient } from './plugin-client.js';
import { recordedLog, type RecordedLog } from './recorded-log.js';

/** How a plugin is started for a test. */
export interface StartOptions extends Pick<ServeOptions, 'graceMs' | 'maxReceiveBytes'> {
  /** Sent as the first configuration, any JSON value; default `{}`. `false` leaves the plugin unconfigured. */
  readonly config?: unknown;
}

/** A plugin that runs in this process. */
export interface TestPlugin extends AsyncDisposable {
  /** Its address, a unix socket in a directory of its own. */
  readonly address: string;
  readonly instanceId: string;
  readonly client: PluginClient;
  /** What it logged. */
  readonly log: RecordedLog;
  /** Stops it and removes the socket; safe to call again. */
  close(): Promise<void>;
}

/** Starts a plugin in this process on a socket of its own and configures it. */
export async function startPlugin<Config>(
  definition: PluginDefinition<Config>,
  options: StartOptions = {},
): Promise<TestPlugin> {
  const { config = {}, ...serve } = options;
  const directory = await mkdtemp(join(tmpdir(), 'plugin-'));
  const log = recordedLog();
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  let running;
  try {
    running = await servePlugin(definition, {
      ...serve,
      endpoint: `unix://${join(directory, 'p.sock')}`,
      exit: false,
      log,
    });
  } catch (error) {
    await remove();
    throw error;
  }
  const { endpoint, instanceId } = running;
  const client = new PluginClient(endpoint);
  const close = async (): Promise<void> => {
    client.close();
    await running.close();
    await remove();
  };
  try {
    if (config !== false) await client.configure(config);
  } catch (error) {
    await close();
    throw error;
  }
  return { address: endpoint, instanceId, client, log, close, [Symbol.asyncDispose]: close };
}
