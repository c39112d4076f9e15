import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  ModelState_Phase,
  Progress_Stage,
  UnsupportedPolicy,
  type Duration,
  type EmbedRequest,
  type EmbedResponse,
  type GenerateEvent,
  type GenerateRequest,
  type GetMetricsResponse,
  type LoadModelRequest,
  type LoadModelResponse,
} from '@outrigger/proto';
import {
  definePlugin,
  head,
  modelNotFound,
  PluginError,
  progress,
  warning,
  type CallContext,
  type PluginDefinition,
} from '@outrigger/sdk-plugin';
import { configReader, type LlamaCppConfig } from '../config.js';
import { EngineError } from '../engine/errors.js';
import type { EngineLease } from '../engine-pool.js';
import type { CatalogModel } from '../model-catalog.js';
import { AnswerTranslator } from './answer.js';
import { callError, pluginError } from './errors.js';
import { Fetching } from './fetching.js';
import { loadOverrides } from './load-options.js';
import { describeModel, modelState } from './model-description.js';
import { collectMetrics } from './metrics.js';
import { declaredCapabilities } from './parameters.js';
import { translateRequest } from './request.js';
import { PluginState, type Environment } from './state.js';

/** A load that takes longer than this is told to the caller. */
const TELL_AFTER_MS = 1_000;

/** The plugin: models in GGUF files behind the contract. Every call makes a new, independent one. */
export function llamaCppPlugin(version: string, env: Environment): PluginDefinition<LlamaCppConfig> {
  return definePlugin(new LlamaCppAdapter(env).definition(version));
}

class LlamaCppAdapter {
  readonly #env: Environment;
  readonly #fetching = new Fetching();
  #state: PluginState | undefined;

  constructor(env: Environment) {
    this.#env = env;
  }

  definition(version: string): PluginDefinition<LlamaCppConfig> {
    return {
      name: 'llama-cpp',
      version,
      displayName: 'llama.cpp',
      homepage: 'https://github.com/ggml-org/llama.cpp',
      runtime: () => this.#state?.runtime ?? '',
      capabilities: () => declaredCapabilities(this.#state?.engine ?? 'llama-server'),
      config: configReader(this.#env),
      configure: (config, context) => this.#configure(config, context),
      stop: () => this.#stop(),
      listModels: () => Promise.resolve([...this.#models().values()].map((model) => this.#describe(model))),
      getModel: async (id) => this.#describe(await this.#find(id)),
      loadModel: (request, context) => this.#load(request, context),
      unloadModel: async (id) => {
        await this.#find(id);
        await this.#running.pool.unload(id);
      },
      pullModel: ({ source }, { signal }) => this.#fetching.pull(source, this.#running, signal),
      deleteModel: (id) => this.#delete(id),
      generate: (request, context) => this.#generate(request, context),
      embed: (request, context) => this.#embed(request, context),
      countTokens: async ({ request }, context) => {
        if (request === undefined) throw new PluginError('INVALID_REQUEST', 'request: it is missing');
        return this.#with(request.model, context, request.context?.keepAlive, async ({ engine }) => {
          const { input } = translateRequest(request, engine.capabilities, engine.kind).request;
          return { inputTokens: await engine.countTokens(input, context.signal), estimated: false };
        });
      },
      metrics: ({ signal }): Promise<GetMetricsResponse> =>
        collectMetrics(this.#running.pool.engines(), signal),
    };
  }

  get #running(): PluginState {
    if (this.#state === undefined) throw new PluginError('STARTING', 'the plugin is not configured yet');
    return this.#state;
  }

  async #configure(config: LlamaCppConfig, { log }: CallContext): Promise<string[]> {
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

  async #stop(): Promise<void> {
    const state = this.#state;
    this.#state = undefined;
    await state?.close();
  }

  #models(): ReadonlyMap<string, CatalogModel> {
    return this.#running.catalog.models();
  }

  #describe(model: CatalogModel): ReturnType<typeof describeModel> {
    const { config, engine, pool } = this.#running;
    return describeModel(model, config, engine, pool.status(model.id));
  }

  async #find(id: string): Promise<CatalogModel> {
    const model = await this.#running.catalog.find(id);
    if (model === undefined) throw modelNotFound(id);
    return model;
  }

  async *#load(
    request: LoadModelRequest,
    { signal }: CallContext,
  ): AsyncGenerator<LoadModelResponse, void, void> {
    const model = await this.#find(request.model);
    const { pool } = this.#running;
    const overrides = loadOverrides(request);
    const present = pool.status(model.id);
    const wanted = overrides.contextLength;
    if (present.engine !== undefined && wanted !== undefined && wanted !== present.engine.contextLength) {
      if (present.engine.inFlight > 0) {
        throw new PluginError(
          'MODEL_IN_USE',
          'requests are using the model with another context length; try again later',
        );
      }
      await pool.unload(model.id);
    }
    let lease: Promise<EngineLease> | undefined;
    try {
      if (!pool.isReady(model.id)) yield { state: modelState({ phase: 'loading' }), fraction: undefined };
      lease = pool.acquire(model.id, signal, overrides);
      let told = -1;
      for (;;) {
        const done = await settled(lease, 200);
        if (done) break;
        const { fraction } = pool.status(model.id);
        if (fraction !== undefined && fraction - told >= 0.01) {
          told = fraction;
          yield { state: modelState({ phase: 'loading' }), fraction };
        }
      }
      await lease;
      const state = { ...modelState(pool.status(model.id)), phase: ModelState_Phase.PHASE_READY };
      yield { state, fraction: 1 };
    } catch (error) {
      throw callError(error, signal);
    } finally {
      const keepAlive = milliseconds(request.keepAlive);
      lease?.then(
        (held) => held.release(keepAlive),
        () => undefined,
      );
    }
  }

  async #delete(id: string): Promise<void> {
    const model = await this.#find(id);
    const { pool } = this.#running;
    if (model.origin === 'demo')
      throw new PluginError('INVALID_REQUEST', 'demo models are generated; set demo: false to do without');
    if (model.origin === 'configured') {
      throw new PluginError('INVALID_REQUEST', 'this model is named in the configuration; take it out there');
    }
    const { engine, phase } = pool.status(id);
    if (phase === 'loading' || (engine?.inFlight ?? 0) > 0)
      throw new PluginError('MODEL_IN_USE', 'requests are using the model');
    await pool.unload(id);
    for (const path of await filesOf(model.path)) await rm(path, { force: true });
    await this.#running.catalog.refresh();
  }

  async *#generate(
    request: GenerateRequest,
    { signal, log }: CallContext,
  ): AsyncGenerator<GenerateEvent | readonly GenerateEvent[], void, void> {
    const model = await this.#find(request.model);
    const { pool } = this.#running;
    const answer = new AnswerTranslator();
    let waiting: Promise<EngineLease> | undefined;
    try {
      waiting = pool.acquire(model.id, signal);
      if (!pool.isReady(model.id) && !(await settled(waiting, TELL_AFTER_MS))) {
        yield progress(Progress_Stage.STAGE_LOADING, pool.status(model.id).fraction);
      }
      const { engine } = await waiting;
      if (request.prompt === undefined ? !engine.capabilities.chat : !engine.capabilities.completion) {
        throw new PluginError(
          'UNSUPPORTED_OPERATION',
          'this model makes embeddings and does not generate text',
        );
      }
      const { request: translated, leftOut } = translateRequest(request, engine.capabilities, engine.kind);
      let begun = false;
      for await (const batch of engine.generate(translated, signal)) {
        const events = batch.map((event) => answer.translate(event));
        if (!begun) {
          begun = true;
          events.unshift(
            head({ model: model.id }),
            ...leftOut.map(({ field, message }) =>
              warning('unsupported_parameter', field, `${field}: ${message}`),
            ),
          );
        }
        yield events;
      }
    } catch (error) {
      logDetail(error, model.id, log);
      throw callError(error, signal, answer.spoke);
    } finally {
      // A caller that leaves while the model loads still gets a lease, which must come back.
      const keepAlive = milliseconds(request.context?.keepAlive);
      waiting?.then(
        (lease) => lease.release(keepAlive),
        () => undefined,
      );
    }
  }

  async #embed(request: EmbedRequest, context: CallContext): Promise<EmbedResponse> {
    const model = await this.#find(request.model);
    return this.#with(request.model, context, request.context?.keepAlive, async ({ engine }) => {
      const inputs = request.inputs.map(({ kind }, index) => {
        if (kind === undefined) throw new PluginError('INVALID_REQUEST', `inputs[${index}]: it is empty`);
        return kind.$case === 'text' ? kind.value : kind.value.ids;
      });
      const warnings = unsupportedInEmbed(request, model.facts.embeddingLength);
      const { vectors, inputTokens } = await engine.embed(inputs, context.signal);
      return {
        model: model.id,
        warnings,
        embeddings: vectors.map((vector) => ({ data: littleEndian(vector), truncated: false })),
        usage: {
          inputTokens,
          outputTokens: undefined,
          cacheReadTokens: undefined,
          cacheWriteTokens: undefined,
          reasoningTokens: undefined,
          estimated: false,
          partial: false,
          timings: undefined,
        },
      };
    });
  }

  async #with<T>(
    id: string,
    { signal, log }: CallContext,
    keepAlive: Duration | undefined,
    work: (lease: EngineLease) => Promise<T>,
  ): Promise<T> {
    await this.#find(id);
    let lease: EngineLease | undefined;
    try {
      lease = await this.#running.pool.acquire(id, signal);
      return await work(lease);
    } catch (error) {
      logDetail(error, id, log);
      throw callError(error, signal);
    } finally {
      lease?.release(milliseconds(keepAlive));
    }
  }
}

/** What callers are not told, such as the engine's last lines, goes into the log. */
function logDetail(error: unknown, model: string, log: CallContext['log']): void {
  if (!(error instanceof EngineError) || error.details.detail === undefined) return;
  log.warn('the engine failed', {
    model,
    kind: error.kind,
    reason: error.message,
    detail: error.details.detail,
  });
}

/** Whether a promise settles within so many milliseconds; what it settles to is the caller's business. */
async function settled(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  const done = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

function milliseconds(duration: Duration | undefined): number | undefined {
  return duration === undefined
    ? undefined
    : Number(duration.seconds) * 1_000 + Math.floor(duration.nanos / 1_000_000);
}

/** The engines give vectors of one length, and refuse what is too long. */
function unsupportedInEmbed(request: EmbedRequest, length: number | undefined): EmbedResponse['warnings'] {
  const warnings: EmbedResponse['warnings'] = [];
  if (request.dimensions !== undefined && request.dimensions !== length) {
    warnings.push({
      code: 'unsupported_parameter',
      field: 'dimensions',
      message: `dimensions: this model's vectors have ${length ?? 'a fixed number of'} numbers`,
    });
  }
  if (request.truncate === true) {
    warnings.push({
      code: 'unsupported_parameter',
      field: 'truncate',
      message: 'truncate: inputs that are too long are refused',
    });
  }
  const first = warnings[0];
  if (first !== undefined && request.context?.unsupported === UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL) {
    throw new PluginError('UNSUPPORTED_PARAMETER', first.message, {
      fields: warnings.map(({ field, message }) => ({ field, description: message })),
    });
  }
  return warnings;
}

function littleEndian(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}

/** The file of a model, and the other parts of one that comes in parts. */
async function filesOf(path: string): Promise<string[]> {
  const stem = /^(.*)-\d{5}-of-(\d{5})\.gguf$/i.exec(basename(path));
  if (stem === null) return [path];
  const folder = dirname(path);
  const names = await readdir(folder);
  const parts = names.filter((name) => {
    const part = /^(.*)-\d{5}-of-(\d{5})\.gguf$/i.exec(name);
    return part?.[1] === stem[1] && part?.[2] === stem[2];
  });
  return parts.map((name) => join(folder, name));
}
