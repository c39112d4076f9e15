import type { GenerateEvent, GenerateRequest } from '@outrigger/proto';
import { Reasoning_Effort } from '@outrigger/proto';
import {
  definePlugin,
  PluginError,
  type CallContext,
  type Log,
  type PluginDefinition,
} from '@outrigger/sdk-plugin';
import { Answer, cutShort } from './answer.js';
import { Catalog } from './catalog.js';
import { configSchema, type OllamaConfig } from './config.js';
import { embed } from './embed.js';
import { upstreamRequest } from './generate-request.js';
import { gauges } from './gauges.js';
import { fullName } from './model-name.js';
import { OllamaClient } from './ollama-client.js';
import { saysNotRunning } from './ollama-errors.js';
import { embedParameters, generateParameters } from './parameters.js';
import { Upkeep } from './upkeep.js';

/** The version of this plugin. */
export const version = '0.1.0';

/** What stands behind one configuration. */
interface Backend {
  readonly config: OllamaConfig;
  readonly client: OllamaClient;
  readonly catalog: Catalog;
  readonly upkeep: Upkeep;
  /** Options that models were loaded with, by full name. */
  readonly loadedWith: Map<string, ReadonlyMap<string, string>>;
}

function backendOf(config: OllamaConfig): Backend {
  const client = new OllamaClient(config);
  const catalog = new Catalog(client, config.listTimeoutMs);
  const loadedWith = new Map<string, ReadonlyMap<string, string>>();
  return { config, client, catalog, upkeep: new Upkeep(client, catalog, config, loadedWith), loadedWith };
}

/**
 * The plugin that puts Ollama behind the contract. It owns no process: Ollama
 * may come and go while the plugin stays up.
 */
export function ollamaPlugin(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): PluginDefinition<OllamaConfig> {
  let backend: Backend | undefined;
  let reachable: boolean | undefined;
  let ollamaVersion = '';

  const current = (): Backend => {
    if (backend === undefined) throw new PluginError('STARTING', 'the plugin is not configured yet');
    return backend;
  };

  /** Logs once when Ollama comes or goes, and not at every look. */
  const noteReachable = async (
    now: boolean,
    { client }: Backend,
    log: Log,
    signal: AbortSignal,
  ): Promise<void> => {
    if (reachable === now) return;
    reachable = now;
    if (!now) {
      ollamaVersion = '';
      log.info('Ollama does not answer; start it with `ollama serve` to see its models', {
        address: client.baseUrl,
      });
      return;
    }
    const answer = await client
      .json<{ version?: string }>({ method: 'GET', path: '/api/version', signal })
      .catch(() => ({ version: '' }));
    ollamaVersion = answer.version ?? '';
    log.info('Ollama answers', { address: client.baseUrl, version: ollamaVersion });
  };

  return definePlugin<OllamaConfig>({
    name: 'ollama',
    version,
    displayName: 'Ollama',
    runtime: () =>
      backend === undefined
        ? 'Ollama'
        : `Ollama ${ollamaVersion} at ${backend.client.baseUrl}`.replace('  ', ' '),
    // Any name is a model of its library, so whoever knows the notation better comes first.
    capabilities: { parameters: generateParameters, embedParameters, pullPrefixes: [''] },
    config: configSchema(environment),

    configure(config) {
      const old = backend;
      backend = backendOf(config);
      reachable = undefined;
      // Requests under way keep the old connections until they end.
      void old?.client.close();
      return Promise.resolve();
    },

    async stop() {
      await backend?.client.destroy();
    },

    async listModels({ signal, log }) {
      const used = current();
      try {
        const models = await used.catalog.list(signal);
        await noteReachable(
          true,
          used,
          log,
          AbortSignal.any([signal, AbortSignal.timeout(used.config.listTimeoutMs)]),
        );
        return models;
      } catch (error) {
        signal.throwIfAborted();
        if (!saysNotRunning(error)) throw outOfTime(error, used);
        await noteReachable(false, used, log, signal);
        return [];
      }
    },

    async getModel(id, { signal }) {
      const used = current();
      try {
        return await used.catalog.get(id, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw outOfTime(error, used);
      }
    },

    loadModel: (request, { signal }) => current().upkeep.load(request, signal),
    unloadModel: (id, { signal }) => current().upkeep.unload(id, signal),
    pullModel: (request, { signal }) => current().upkeep.pull(request, signal),
    deleteModel: (id, { signal }) => current().upkeep.delete(id, signal),
    generate: (request, context) => generate(current(), request, context),
    embed: (request, { signal }) => {
      const { client, config, loadedWith } = current();
      return embed(client, config, request, loadedWith.get(fullName(request.model)), signal);
    },
    metrics: ({ signal }) => {
      const { client, catalog } = current();
      return gauges(client, catalog, signal);
    },
  });
}

/** A look at Ollama that took longer than `listTimeoutMs` is a fault of Ollama's, not of the caller. */
function outOfTime(error: unknown, { client, config }: Backend): unknown {
  if (typeof error !== 'object' || error === null || !('name' in error) || error.name !== 'TimeoutError') {
    return error;
  }
  return new PluginError(
    'UPSTREAM_TIMEOUT',
    `Ollama at ${client.baseUrl} did not answer within ${config.listTimeoutMs} ms`,
    { cause: error, retryAfterMs: 1000 },
  );
}

async function* generate(
  { client, catalog, config, loadedWith }: Backend,
  request: GenerateRequest,
  context: CallContext,
): AsyncGenerator<GenerateEvent[]> {
  const effort = request.reasoning?.effort ?? Reasoning_Effort.EFFORT_UNSPECIFIED;
  const asksForThought = effort > Reasoning_Effort.EFFORT_NONE && request.extensions['think'] === undefined;
  const ability = asksForThought ? await catalog.thinking(request.model, context.signal) : undefined;
  const upstream = upstreamRequest(request, config, loadedWith.get(fullName(request.model)), ability);
  const { path, body, maxOutputTokens, contextLength, unsupported } = upstream;
  const answer = new Answer({ maxOutputTokens, contextLength, warnings: unsupported.events });

  if (request.unary) {
    const events: GenerateEvent[] = [];
    answer.add(await client.text({ path, body, signal: context }), events);
    if (!answer.done) throw cutShort();
    yield events;
    return;
  }
  const lines = client.lines({ path, body, signal: context });
  try {
    for (let some = await lines.next(); some !== undefined; some = await lines.next()) {
      const events: GenerateEvent[] = [];
      let failed: { error: unknown } | undefined;
      try {
        for (const line of some) answer.add(line, events);
      } catch (error) {
        failed = { error };
      }
      if (answer.done) lines.release();
      // What came before an error is the caller's all the same.
      if (events.length > 0) yield events;
      if (failed !== undefined) throw failed.error;
      if (answer.done) return;
    }
    throw cutShort();
  } finally {
    // After an end or a release this does nothing; everywhere else it makes Ollama stop.
    lines.cancel();
  }
}
