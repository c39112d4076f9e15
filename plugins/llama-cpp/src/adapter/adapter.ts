import type { CountTokensRequest, CountTokensResponse } from '@outrigger/proto';
import { definePlugin, PluginError, type CallContext, type PluginDefinition } from '@outrigger/sdk-plugin';
import { configReader, type LlamaCppConfig } from '../config.js';
import { EngineError } from '../engine/errors.js';
import type { CatalogModel } from '../model-catalog.js';
import { deleteModel } from './deleting.js';
import { embed } from './embedding.js';
import { pluginError } from './errors.js';
import { Fetching } from './fetching.js';
import { generate } from './generating.js';
import { withEngine } from './leasing.js';
import { loadModel } from './loading.js';
import { collectMetrics } from './metrics.js';
import { describeModel } from './model-description.js';
import { declaredCapabilities } from './parameters.js';
import { translateRequest } from './request.js';
import { PluginState, type Environment } from './state.js';

/** The plugin: models in GGUF files behind the contract. Every call makes a new, independent one. */
export function llamaCppPlugin(version: string, env: Environment): PluginDefinition<LlamaCppConfig> {
  const adapter = new Adapter(env);
  return definePlugin({
    name: 'llama-cpp',
    version,
    displayName: 'llama.cpp',
    homepage: 'https://github.com/ggml-org/llama.cpp',
    runtime: () => adapter.runtime,
    capabilities: () => declaredCapabilities(adapter.engine),
    config: configReader(env),
    configure: (config, context) => adapter.configure(config, context),
    stop: () => adapter.stop(),
    listModels: () => Promise.resolve(adapter.models().map((model) => adapter.describe(model))),
    getModel: async (id) => adapter.describe(await adapter.state.find(id)),
    loadModel: (request, context) => loadModel(adapter.state, request, context),
    unloadModel: async (id) => {
      const { state } = adapter;
      await state.pool.unload((await state.find(id)).id);
    },
    pullModel: ({ source }, { signal }) => adapter.fetching.pull(source, adapter.state, signal),
    deleteModel: async (id) => deleteModel(adapter.state, id),
    generate: (request, context) => generate(adapter.state, request, context),
    embed: (request, context) => embed(adapter.state, request, context),
    countTokens: (request, context) => adapter.countTokens(request, context),
    metrics: ({ signal }) => collectMetrics(adapter.state.pool.engines(), signal),
  });
}

/** The model for requests that name none: the only one of the user's, or the demo model that talks. */
function preferredModel(models: readonly CatalogModel[]): string | undefined {
  const own = models.filter((model) => model.origin !== 'demo');
  if (own.length === 1) return own[0]?.id;
  return own.length === 0 ? models.find((model) => model.id === 'demo')?.id : undefined;
}

/** What stays between the calls: the configuration in force. */
class Adapter {
  readonly fetching = new Fetching();
  readonly #env: Environment;
  #state: PluginState | undefined;

  constructor(env: Environment) {
    this.#env = env;
  }

  get state(): PluginState {
    if (this.#state === undefined) throw new PluginError('STARTING', 'the plugin is not configured yet');
    return this.#state;
  }

  get runtime(): string {
    return this.#state?.runtime ?? '';
  }

  get engine(): PluginState['engine'] {
    return this.#state?.engine ?? 'llama-server';
  }

  async configure(config: LlamaCppConfig, { log }: CallContext): Promise<string[]> {
    try {
      const { state, warnings } = await PluginState.open(config, this.#env, log);
      const before = this.#state;
      this.#state = state;
      // The host drains before it configures anew, so that nothing is in flight here.
      await before?.close();
      return warnings;
    } catch (error) {
      throw error instanceof EngineError ? pluginError(error) : error;
    }
  }

  async stop(): Promise<void> {
    const state = this.#state;
    this.#state = undefined;
    await state?.close();
  }

  models(): CatalogModel[] {
    return [...this.state.catalog.models().values()];
  }

  describe(model: CatalogModel): ReturnType<typeof describeModel> {
    const { config, engine, pool } = this.state;
    const described = describeModel(model, config, engine, pool.status(model.id));
    return { ...described, preferred: model.id === preferredModel(this.models()) };
  }

  async countTokens({ request }: CountTokensRequest, context: CallContext): Promise<CountTokensResponse> {
    if (request === undefined) throw new PluginError('INVALID_REQUEST', 'request: it is missing');
    const { id } = await this.state.find(request.model);
    return withEngine(this.state, id, context, request.context?.keepAlive, async (engine) => {
      const { input } = translateRequest(request, engine.capabilities, engine.kind).request;
      return { inputTokens: await engine.countTokens(input, context.signal), estimated: false };
    });
  }
}
