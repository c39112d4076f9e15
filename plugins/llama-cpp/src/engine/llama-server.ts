import { readAnswer, readWhole } from './answer-stream.js';
import { AnswerReader } from './answer-wire.js';
import { blameWhatWasSent } from './blame.js';
import { cannotEmbed, readEmbeddings } from './embedding-wire.js';
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
import { ServerLife, type ServerLifeOptions } from './server-life.js';
import { ServerSupervisor } from './server-supervisor.js';

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
  readonly #server: ServerSupervisor;
  readonly #props: Props;
  #inFlight = 0;
  #stopped: Promise<void> | undefined;

  private constructor(options: LlamaServerOptions, life: ServerLife, props: Props) {
    this.#options = options;
    this.#props = props;
    this.#server = new ServerSupervisor(options, life, options.onCrash ?? (() => undefined));
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

  /** Process id of the running server; undefined while there is none. */
  get pid(): number | undefined {
    return this.#server.current?.process.pid;
  }

  /** Why the engine was given up; undefined while it works or is being restarted. */
  get failed(): EngineError | undefined {
    return this.#server.failed;
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
    // The server goes on with a last message of the assistant, asked to or not, and a whole answer repeats it.
    const continued =
      input.kind === 'chat' && (input.prefill === true || (!stream && last?.role === 'assistant'));
    const reader = new AnswerReader({
      choices: candidates,
      maxTokens: sampling.maxTokens,
      prefill: continued && typeof last?.content === 'string' ? last.content : undefined,
    });
    this.#inFlight++;
    let life: ServerLife | undefined;
    try {
      life = await this.#server.ready(signal);
      if (stream) yield* readAnswer(life.client.stream(call.path, call.body, signal), reader);
      else yield readWhole(await life.client.json(call.path, call.body, signal), reader);
    } catch (error) {
      throw blameWhatWasSent(await this.#server.explain(error, life, signal), request);
    } finally {
      this.#inFlight--;
    }
  }

  async embed(
    inputs: readonly (string | readonly number[])[],
    signal: AbortSignal,
  ): Promise<EmbeddingResult> {
    if (!this.#options.capabilities.embedding) {
      throw cannotEmbed('use an embedding model, or set embeddings: true for it in the configuration');
    }
    const body = { input: inputs, encoding_format: 'base64' };
    return readEmbeddings(await this.#call('/v1/embeddings', body, signal), inputs.length);
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
    const life = this.#server.current;
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
    this.#stopped ??= this.#server.stop(new EngineError('stopped', 'the model was unloaded'));
    return this.#stopped;
  }

  async #call(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    this.#inFlight++;
    let life: ServerLife | undefined;
    try {
      life = await this.#server.ready(signal);
      return await life.client.json(path, stringifyWithRaw(body), signal);
    } catch (error) {
      throw await this.#server.explain(error, life, signal);
    } finally {
      this.#inFlight--;
    }
  }
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
