import { setTimeout as delay } from 'node:timers/promises';
import { AnswerReader, wireError, type WireAnswer } from './answer-wire.js';
import type {
  EmbeddingResult,
  Engine,
  EngineCapabilities,
  EngineEvent,
  EngineMetrics,
  GenerationInput,
  GenerationRequest,
} from './engine.js';
import { EngineError } from './errors.js';
import { readMetrics } from './metrics-text.js';
import { processMemory } from './process-memory.js';
import { chatPrompt, generationCall } from './request-wire.js';
import { stringifyWithRaw } from './raw-json.js';
import { parseJson } from './server-client.js';
import { ServerLife, type ServerLifeOptions } from './server-life.js';
import { describeExit } from './start-failure.js';

/** Pauses before a restart; the last one repeats. Short enough that a request finds an engine within five seconds. */
const BACK_OFF_MS = [50, 250, 1_000, 2_000, 4_000] as const;
/** So many starts that fail in a row, and the engine is given up. */
const MAX_FAILED_STARTS = 5;
/** A life of this length proves that the engine works, and the pauses start over. */
const STABLE_MS = 30_000;
/** Longest wait of a request for an engine that is coming back. */
const RESTART_WAIT_MS = 10_000;

export interface LlamaServerOptions extends ServerLifeOptions {
  capabilities: EngineCapabilities;
  onCrash?: (error: EngineError) => void;
}

interface Props {
  contextLength: number;
  slots: number;
  vision: boolean;
}

/** One model in a llama-server of its own, restarted when it dies. */
export class LlamaServerEngine implements Engine {
  readonly kind = 'llama-server';
  readonly #options: LlamaServerOptions;
  readonly #stopping = new AbortController();
  /** The running process, or the start that is under way. Rejects when a start failed. */
  #life: Promise<ServerLife>;
  #props: Props;
  #failures = 0;
  #failedStarts = 0;
  #failed: EngineError | undefined;
  #inFlight = 0;
  #stopped: Promise<void> | undefined;

  private constructor(options: LlamaServerOptions, life: ServerLife, props: Props) {
    this.#options = options;
    this.#life = Promise.resolve(life);
    this.#props = props;
    this.#watch(life);
  }

  /** Loads a model. Rejects with the reason when that fails; a later crash is repaired instead. */
  static async start(options: LlamaServerOptions, signal: AbortSignal): Promise<LlamaServerEngine> {
    const life = await ServerLife.start(options, signal);
    try {
      return new LlamaServerEngine(options, life, await readProps(life, options, signal));
    } catch (error) {
      await life.stop(new EngineError('stopped', 'the engine did not start'));
      throw error;
    }
  }

  get capabilities(): EngineCapabilities {
    return { ...this.#options.capabilities, vision: this.#props.vision };
  }

  get contextLength(): number {
    return this.#props.contextLength;
  }

  get slots(): number {
    return this.#props.slots;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Process id of the running server, for tests and diagnosis; undefined while there is none. */
  async pid(): Promise<number | undefined> {
    return (await this.#life.catch(() => undefined))?.process.pid;
  }

  /** Why the engine was given up; undefined while it works or is being restarted. */
  get failed(): EngineError | undefined {
    return this.#failed;
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal,
  ): AsyncGenerator<readonly EngineEvent[], void, void> {
    const { input, sampling } = request;
    if (sampling.candidates !== undefined && sampling.candidates > this.slots) {
      throw new EngineError(
        'invalid_request',
        `n: this model answers with at most ${this.slots} candidates`,
        { param: 'n' },
      );
    }
    const candidates = sampling.candidates ?? 1;
    const hasTools = input.kind === 'chat' && input.tools.length > 0;
    // The server refuses log probabilities with tools on a stream, and counts several candidates wrongly without one.
    const stream =
      candidates > 1 || !(request.unary === true || (hasTools && sampling.topLogprobs !== undefined));
    const call = generationCall(request, stream);
    const last = input.kind === 'chat' ? input.messages.at(-1) : undefined;
    const reader = new AnswerReader({
      choices: candidates,
      maxTokens: sampling.maxTokens,
      prefill:
        input.kind === 'chat' && input.prefill && typeof last?.content === 'string'
          ? last.content
          : undefined,
    });
    this.#inFlight++;
    let life: ServerLife | undefined;
    try {
      life = await this.#ready(signal);
      if (stream) yield* readAnswer(life.client.stream(call.path, call.body, signal), reader);
      else yield readWhole(await life.client.json(call.path, call.body, signal), reader);
    } catch (error) {
      throw await this.#explain(error, life, signal);
    } finally {
      this.#inFlight--;
    }
  }

  async embed(
    inputs: readonly (string | readonly number[])[],
    signal: AbortSignal,
  ): Promise<EmbeddingResult> {
    if (!this.#options.capabilities.embedding) throw cannotEmbed();
    const answer = await this.#call('/v1/embeddings', { input: inputs, encoding_format: 'base64' }, signal);
    const { data = [], usage } = answer as {
      data?: { index?: number; embedding: string | number[] }[];
      usage?: { prompt_tokens?: number };
    };
    const vectors: Float32Array[] = [];
    for (const [position, { index, embedding }] of data.entries())
      vectors[index ?? position] = floats(embedding);
    if (vectors.length !== inputs.length || vectors.includes(undefined as never)) {
      throw new EngineError(
        'engine_error',
        `the engine answered ${inputs.length} inputs with ${data.length} embeddings`,
      );
    }
    return { vectors, ...(usage?.prompt_tokens === undefined ? {} : { inputTokens: usage.prompt_tokens }) };
  }

  async countTokens(input: GenerationInput, signal: AbortSignal): Promise<number> {
    let text: string;
    if (input.kind === 'chat') {
      const prompt = (await this.#call('/apply-template', chatPrompt(input), signal)) as { prompt?: string };
      text = prompt.prompt ?? '';
    } else {
      text = input.prompt;
    }
    const body = { content: text, add_special: true, parse_special: true };
    const { tokens = [] } = (await this.#call('/tokenize', body, signal)) as { tokens?: unknown[] };
    return tokens.length;
  }

  async metrics(signal: AbortSignal): Promise<EngineMetrics> {
    const life = await this.#life.catch(() => undefined);
    const text = await life?.client.json('/metrics', undefined, signal).catch(() => undefined);
    const memoryBytes = life?.process.pid === undefined ? undefined : await processMemory(life.process.pid);
    return {
      inFlight: this.#inFlight,
      slots: this.slots,
      samples: typeof text === 'string' ? readMetrics(text) : [],
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const reason = new EngineError('stopped', 'the model was unloaded');
    this.#stopping.abort(reason);
    const life = await this.#life.catch(() => undefined);
    await life?.stop(reason);
  }

  async #call(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    this.#inFlight++;
    let life: ServerLife | undefined;
    try {
      life = await this.#ready(signal);
      return await life.client.json(path, stringifyWithRaw(body), signal);
    } catch (error) {
      throw await this.#explain(error, life, signal);
    } finally {
      this.#inFlight--;
    }
  }

  /** The running server; waits a bounded time for one that is coming back. */
  async #ready(signal: AbortSignal): Promise<ServerLife> {
    if (this.#stopping.signal.aborted) throw this.#stopping.signal.reason as EngineError;
    const waited = AbortSignal.timeout(RESTART_WAIT_MS);
    const bound = AbortSignal.any([signal, this.#stopping.signal, waited]);
    return new Promise<ServerLife>((resolve, reject) => {
      const onAbort = (): void =>
        reject(
          waited.aborted
            ? new EngineError('loading', 'the engine has crashed and is being restarted; try again shortly')
            : (bound.reason as Error),
        );
      bound.addEventListener('abort', onAbort, { once: true });
      this.#life.then(resolve, reject).finally(() => bound.removeEventListener('abort', onAbort));
      if (bound.aborted) onAbort();
    });
  }

  /** When the process ends by itself, starts the next one at once, or after a pause when it keeps dying. */
  #watch(life: ServerLife): void {
    const born = Date.now();
    void life.process.exit.then((exit) => {
      if (this.#stopping.signal.aborted) return;
      void life.client.close(new EngineError('crashed', `the engine ${describeExit(exit)}`));
      this.#options.onCrash?.(
        new EngineError('crashed', `the engine ${describeExit(exit)}`, {
          detail: life.process.tail.text(20),
        }),
      );
      if (Date.now() - born > STABLE_MS) this.#failures = 0;
      this.#restart();
    });
  }

  #restart(): void {
    const pause = BACK_OFF_MS[Math.min(this.#failures, BACK_OFF_MS.length - 1)] ?? 0;
    this.#failures++;
    const signal = this.#stopping.signal;
    this.#life = (async () => {
      await delay(pause, undefined, { signal });
      const life = await ServerLife.start(this.#options, signal);
      if (signal.aborted) {
        await life.stop(new EngineError('stopped', 'the model was unloaded'));
        throw new EngineError('stopped', 'the model was unloaded');
      }
      this.#failedStarts = 0;
      this.#watch(life);
      return life;
    })();
    this.#life.catch((cause: unknown) => {
      if (signal.aborted) return;
      const error =
        cause instanceof EngineError ? cause : new EngineError('crashed', 'the restart failed', { cause });
      this.#options.onCrash?.(error);
      if (++this.#failedStarts >= MAX_FAILED_STARTS) this.#failed = error;
      // A request that waited has heard why; the next one finds another attempt under way.
      else this.#restart();
    });
  }

  /** Says in our words why a request failed; a broken connection is asked whether the process is dead. */
  async #explain(error: unknown, life: ServerLife | undefined, signal: AbortSignal): Promise<Error> {
    if (signal.aborted) return signal.reason instanceof EngineError ? signal.reason : cancelled(error);
    if (this.#stopping.signal.aborted) return this.#stopping.signal.reason as EngineError;
    const known = error instanceof EngineError ? error : undefined;
    if (
      life === undefined ||
      (known !== undefined && known.kind !== 'crashed' && known.kind !== 'truncated')
    ) {
      return known ?? new EngineError('engine_error', 'the engine cannot be reached', { cause: error });
    }
    const timer = new AbortController();
    const exit = await Promise.race([
      life.process.exit,
      delay(500, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    if (exit !== undefined) {
      return new EngineError('crashed', `the engine ${describeExit(exit)} while it worked on the request`, {
        detail: life.process.tail.text(20),
        cause: error,
      });
    }
    return known ?? new EngineError('truncated', 'the connection to the engine broke off', { cause: error });
  }
}

function cancelled(cause: unknown): EngineError {
  return new EngineError('cancelled', 'the request was cancelled', { cause });
}

/** The error for a model that was not loaded for embeddings. */
export function cannotEmbed(): EngineError {
  return new EngineError(
    'unsupported',
    'this model does not make embeddings; use an embedding model, or set embeddings: true for it in the configuration',
    { param: 'model' },
  );
}

/** Reads a stream of chunks to its proven end. */
async function* readAnswer(
  stream: AsyncIterable<readonly { data: string; closed: boolean }[]>,
  reader: AnswerReader,
): AsyncGenerator<readonly EngineEvent[], void, void> {
  let done = false;
  for await (const batch of stream) {
    const events: EngineEvent[] = [];
    let failure: EngineError | undefined;
    for (const { data, closed } of batch) {
      if (data === '[DONE]') {
        done = true;
        continue;
      }
      const chunk = parseJson(data) as WireAnswer | undefined;
      if (typeof chunk !== 'object') {
        failure = closed
          ? new EngineError('engine_error', 'the engine sent a chunk that is not JSON')
          : new EngineError('truncated', 'the answer broke off in the middle of a chunk');
        break;
      }
      if (chunk.error !== undefined) {
        failure = wireError(chunk.error, Number(chunk.error.code ?? 500));
        break;
      }
      events.push(...reader.read(chunk));
    }
    if (done) events.push(...reader.flush());
    if (events.length > 0) yield events;
    if (failure !== undefined) throw failure;
  }
  if (!done || !reader.complete) {
    throw new EngineError('truncated', 'the engine ended its answer without an end marker');
  }
}

function readWhole(body: unknown, reader: AnswerReader): readonly EngineEvent[] {
  if (typeof body !== 'object' || body === null) {
    throw new EngineError('engine_error', 'the engine answered with something that is not JSON');
  }
  const events = [...reader.read(body as WireAnswer), ...reader.flush()];
  if (!reader.complete) throw new EngineError('truncated', 'the engine answered without a finish reason');
  return events;
}

/** A vector as the server sends it: base64 of little-endian floats, or numbers. */
function floats(embedding: string | number[]): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding);
  const bytes = Buffer.from(embedding, 'base64');
  const vector = new Float32Array(bytes.length / 4);
  for (let i = 0; i < vector.length; i++) vector[i] = bytes.readFloatLE(i * 4);
  return vector;
}

async function readProps(
  life: ServerLife,
  { settings }: LlamaServerOptions,
  signal: AbortSignal,
): Promise<Props> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  const props = (await life.client.json('/props', undefined, bound)) as {
    default_generation_settings?: { n_ctx?: number };
    total_slots?: number;
    modalities?: { vision?: boolean };
  };
  return {
    contextLength: props.default_generation_settings?.n_ctx ?? settings.contextLength,
    slots: props.total_slots ?? settings.slots,
    vision: props.modalities?.vision ?? false,
  };
}
