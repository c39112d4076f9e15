import {
  LoadModelResponse,
  ModelState,
  ModelState_Phase,
  PullModelResponse,
  type LoadModelRequest,
  type PullModelRequest,
} from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import { cutShort } from './answer.js';
import { stateOf, type Catalog } from './catalog.js';
import type { OllamaConfig } from './config.js';
import { keepAliveText, optionsText } from './generate-request.js';
import { fullName } from './model-name.js';
import { parseObject, type OllamaClient } from './ollama-client.js';
import { upstreamError } from './ollama-errors.js';
import type { WireProgress } from './ollama-wire.js';
import { optionNames } from './parameters.js';
import { invalid } from './unsupported.js';

/** Most models whose options are remembered. */
const mostRemembered = 256;
/** Longest silence of a pull: checking the digest of a large file says nothing for minutes. */
const pullIdleMs = 1_800_000;

/** Moves models in and out of memory and disk. */
export class Upkeep {
  readonly #client: OllamaClient;
  readonly #catalog: Catalog;
  readonly #config: OllamaConfig;
  readonly #options: Map<string, ReadonlyMap<string, string>>;

  /**
   * `options` holds what models were loaded with. Ollama loads a model anew when
   * a request comes with other options than it was loaded with, so requests
   * repeat them.
   */
  constructor(
    client: OllamaClient,
    catalog: Catalog,
    config: OllamaConfig,
    options: Map<string, ReadonlyMap<string, string>>,
  ) {
    this.#client = client;
    this.#catalog = catalog;
    this.#config = config;
    this.#options = options;
  }

  /** Loads a model. Ollama does not tell how far it is. */
  async *load(request: LoadModelRequest, signal: AbortSignal): AsyncGenerator<LoadModelResponse> {
    const { model } = request;
    if (model === '') throw invalid('model', 'is missing');
    const own = optionsOf(request);
    yield LoadModelResponse.create({ state: ModelState.create({ phase: ModelState_Phase.PHASE_LOADING }) });
    const options = optionsText(new Map([...this.#config.options, ...own]));
    const keepAlive = keepAliveText(request.keepAlive) ?? this.#config.keepAlive;
    const kept = keepAlive === undefined ? '' : `,"keep_alive":${keepAlive}`;
    const rest = `${kept},"options":{${options}}}`;
    const name = `{"model":${JSON.stringify(model)}`;
    const call = { signal, firstByteTimeoutMs: this.#config.loadTimeoutMs };
    try {
      // `shift` is among what a model is loaded with, so it must be as in later requests.
      const body = `${name},"prompt":"","stream":false,"shift":${this.#config.shift}${rest}`;
      await this.#client.text({ ...call, path: '/api/generate', body });
    } catch (error) {
      const noGenerate = error instanceof PluginError && /does not support generate/.test(error.message);
      if (!noGenerate) throw error;
      // A model that only embeds is loaded by embedding nothing.
      await this.#client.text({ ...call, path: '/api/embed', body: `${name},"input":""${rest}` });
    }
    this.#remember(model, own);
    const loaded = await this.#catalog.loaded(signal);
    const entry = loaded.get(fullName(model));
    const state = stateOf(undefined, entry);
    yield LoadModelResponse.create({
      state: { ...state, phase: ModelState_Phase.PHASE_READY },
      fraction: 1,
    });
  }

  /** Unloads a model as soon as its requests have ended; one that is not loaded is fine. */
  async unload(model: string, signal: AbortSignal): Promise<void> {
    if (model === '') throw invalid('model', 'is missing');
    this.#options.delete(fullName(model));
    const body = `{"model":${JSON.stringify(model)},"messages":[],"stream":false,"keep_alive":0}`;
    await this.#client.text({ path: '/api/chat', body, signal });
  }

  /**
   * Fetches a model. Bytes are those of all files that Ollama has named so far:
   * the total grows when it begins with another file. What was fetched stays when
   * the caller leaves, and Ollama goes on from there the next time.
   */
  async *pull({ source }: PullModelRequest, signal: AbortSignal): AsyncGenerator<PullModelResponse> {
    if (source.trim() === '') throw invalid('source', 'is missing: name a model, for example "llama3.2:1b"');
    const files = new Map<string, { total: number; completed: number }>();
    const lines = this.#client.lines({
      path: '/api/pull',
      body: JSON.stringify({ model: source, stream: true }),
      signal,
      idleTimeoutMs: pullIdleMs,
      firstByteTimeoutMs: pullIdleMs,
    });
    try {
      for (let some = await lines.next(); some !== undefined; some = await lines.next()) {
        for (const line of some) {
          const step = parseObject(line) as WireProgress;
          if (step.error !== undefined) throw upstreamError(500, line);
          const done = step.status === 'success';
          if (done) {
            this.#catalog.forget(source);
            lines.release();
          }
          yield progressOf(step, files, done ? fullName(source) : '');
          if (done) return;
        }
      }
      throw cutShort();
    } finally {
      lines.cancel();
    }
  }

  /** Deletes a model's files. */
  async delete(model: string, signal: AbortSignal): Promise<void> {
    if (model === '') throw invalid('model', 'is missing');
    await this.#client.text({
      method: 'DELETE',
      path: '/api/delete',
      body: JSON.stringify({ model }),
      signal,
    });
    this.#options.delete(fullName(model));
    this.#catalog.forget(model);
  }

  #remember(model: string, options: ReadonlyMap<string, string>): void {
    this.#options.delete(fullName(model));
    if (options.size === 0) return;
    this.#options.set(fullName(model), options);
    if (this.#options.size <= mostRemembered) return;
    for (const oldest of this.#options.keys()) {
      this.#options.delete(oldest);
      return;
    }
  }
}

function optionsOf(request: LoadModelRequest): Map<string, string> {
  const options = new Map<string, string>();
  for (const [name, json] of Object.entries(request.options)) {
    if (!optionNames.has(name)) {
      throw invalid(
        `options.${name}`,
        `is not an option of Ollama's; it knows ${[...optionNames].join(', ')}`,
      );
    }
    if (!/^(true|false|-?\d+(\.\d+)?)$/.test(json))
      throw invalid(`options.${name}`, 'must be a number or a boolean');
    options.set(name, json);
  }
  if (request.contextLength !== undefined) options.set('num_ctx', String(request.contextLength));
  return options;
}

function progressOf(
  step: WireProgress,
  files: Map<string, { total: number; completed: number }>,
  model: string,
): PullModelResponse {
  if (step.digest !== undefined && step.total !== undefined) {
    files.set(step.digest, { total: step.total, completed: step.completed ?? 0 });
  }
  let total = 0;
  let completed = 0;
  for (const file of files.values()) {
    total += file.total;
    completed += file.completed;
  }
  const known = files.size > 0;
  return {
    status: step.status ?? '',
    totalBytes: known ? BigInt(total) : undefined,
    completedBytes: known ? BigInt(completed) : undefined,
    model,
  };
}
