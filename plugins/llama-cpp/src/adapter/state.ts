import { access, constants, mkdir } from 'node:fs/promises';
import { modelNotFound, type Log } from '@outrigger/sdk-plugin';
import type { LlamaCppConfig } from '../config.js';
import { LazyRuntime } from '../embedded/lazy-runtime.js';
import { EngineError } from '../engine/errors.js';
import { defaultThreads } from '../engine/server-arguments.js';
import { locateServer, type ServerBinary } from '../engine/server-binary.js';
import { EnginePool, type EngineStarter } from '../engine-pool.js';
import { ModelCatalog, type CatalogModel } from '../model-catalog.js';
import { PullError } from '../pull/pull-error.js';
import { modelSettings, type EngineKind, type LoadOverrides } from '../model-settings.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a configuration amounts to: the engine that was found, the models, and those in memory. */
export class PluginState {
  readonly config: LlamaCppConfig;
  readonly engine: EngineKind;
  readonly catalog: ModelCatalog;
  readonly pool: EnginePool<LoadOverrides>;
  readonly #found: FoundEngine;

  private constructor(
    config: LlamaCppConfig,
    found: FoundEngine,
    catalog: ModelCatalog,
    pool: EnginePool<LoadOverrides>,
  ) {
    this.config = config;
    this.engine = found.kind;
    this.catalog = catalog;
    this.pool = pool;
    this.#found = found;
  }

  /** Name and version of the engine, for people. */
  get runtime(): string {
    return this.#found.kind === 'embedded' ? this.#found.runtime.version : this.#found.binary.version;
  }

  /** Puts a configuration into force. Throws an EngineError when no engine can be used. */
  static async open(
    config: LlamaCppConfig,
    env: Environment,
    log: Log,
  ): Promise<{ state: PluginState; warnings: string[] }> {
    const found = await findEngine(config, env, log);
    const { catalog, warnings } = await ModelCatalog.open(config, ({ models, refused }) => {
      log.info('models changed', { models: models.map(({ id }) => id) });
      for (const { path, reason } of refused) log.warn('a file is not offered as a model', { path, reason });
    });
    const pool = new EnginePool<LoadOverrides>(starter(config, found, catalog, env, log), {
      maxLoaded: config.maxLoaded,
      keepAliveMs: config.keepAliveMs,
    });
    const state = new PluginState(config, found, catalog, pool);
    log.info('engine', { kind: found.kind, runtime: state.runtime });
    return { state, warnings: [...(found.warning === undefined ? [] : [found.warning]), ...warnings] };
  }

  /** The model of that id; throws MODEL_NOT_FOUND. */
  async find(id: string): Promise<CatalogModel> {
    const model = await this.catalog.find(id);
    if (model === undefined) throw modelNotFound(id);
    return model;
  }

  /** The first folder that models can be fetched into. */
  async pullFolder(): Promise<string> {
    for (const folder of this.catalog.pullFolders) {
      try {
        await mkdir(folder, { recursive: true });
        await access(folder, constants.W_OK);
        return folder;
      } catch {
        // Read-only, as in many containers; the next one may do.
      }
    }
    throw new PullError(
      'disk',
      'none of the model folders can be written to; set modelFolders or dataFolder',
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.close(), this.catalog.close()]);
    if (this.#found.kind === 'embedded') await this.#found.runtime.dispose();
  }
}

type FoundEngine = { warning?: string } & (
  { kind: 'llama-server'; binary: ServerBinary } | { kind: 'embedded'; runtime: LazyRuntime }
);

async function findEngine(config: LlamaCppConfig, env: Environment, log: Log): Promise<FoundEngine> {
  let problem: string | undefined;
  if (config.engine !== 'embedded') {
    const located = await locateServer({ configured: config.llamaServer, env });
    if (located.binary !== undefined) return { kind: 'llama-server', binary: located.binary };
    problem = located.problem ?? 'llama-server was not found';
    // Somebody who names a program wants that one.
    if (config.engine === 'llama-server' || config.llamaServer !== undefined) {
      throw new EngineError('engine_unusable', problem);
    }
  }
  LazyRuntime.check();
  const threads = config.threads ?? defaultThreads();
  const runtime = new LazyRuntime(async () => {
    const { EmbeddedRuntime } = await import('../embedded/runtime.js');
    return EmbeddedRuntime.open(threads, (message) => log.debug('embedded engine', { message }));
  });
  runtime.get().catch((error: unknown) => log.error('the embedded engine cannot be used', { error }));
  const named = env['LLAMA_SERVER'] !== undefined && problem !== undefined;
  return {
    kind: 'embedded',
    runtime,
    ...(named ? { warning: `${problem}; using the embedded engine` } : {}),
  };
}

/** Starts engines. The code of either kind is loaded for the first model: the plugin listens sooner. */
function starter(
  config: LlamaCppConfig,
  found: FoundEngine,
  catalog: ModelCatalog,
  env: Environment,
  log: Log,
): EngineStarter<LoadOverrides> {
  return async (id, overrides, signal, onProgress) => {
    const model = await catalog.find(id);
    if (model === undefined) throw new EngineError('bad_model', 'the file of this model is gone');
    const settings = modelSettings(model, config, found.kind, overrides);
    const { contextLength, slots, threads, pooling, extraArguments, capabilities } = settings;
    const started = performance.now();
    const note = { model: id, engine: found.kind, contextLength, slots, threads };
    const loaded = (more: object = {}): void =>
      log.info('model loaded', { ...note, ...more, ms: Math.round(performance.now() - started) });
    if (found.kind === 'embedded') {
      const { EmbeddedEngine } = await import('../embedded/embedded.js');
      const engine = await EmbeddedEngine.start(
        {
          runtime: await found.runtime.get(),
          model: model.path,
          contextLength,
          slots,
          threads,
          capabilities,
          chatTemplate: model.facts.chatTemplate,
          onProgress,
        },
        signal,
      );
      loaded();
      return engine;
    }
    const { LlamaServerEngine } = await import('../engine/llama-server.js');
    const engine = await LlamaServerEngine.start(
      {
        binary: found.binary,
        settings: { model: model.path, contextLength, slots, threads, pooling, extraArguments },
        env,
        capabilities,
        startTimeoutMs: config.loadTimeoutMs,
        headersTimeoutMs: config.firstByteTimeoutMs,
        idleTimeoutMs: config.idleTimeoutMs,
        onLine: (line) => log.debug('llama-server', { model: id, line }),
        onCrash: (error) =>
          log.error('the engine died', { model: id, reason: error.message, tail: error.details.detail }),
      },
      signal,
    );
    loaded({ pid: engine.pid });
    return engine;
  };
}
