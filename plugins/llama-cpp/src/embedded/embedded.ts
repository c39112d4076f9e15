import type {
  LlamaContext,
  LlamaContextSequence,
  LlamaEmbeddingContext,
  LlamaModel,
  Token,
} from 'node-llama-cpp';
import type { Template } from '@huggingface/jinja';
import type {
  EmbeddingResult,
  Engine,
  EngineCapabilities,
  EngineEvent,
  EngineMetrics,
  GenerationInput,
  GenerationRequest,
} from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';
import { cannotEmbed } from '../engine/embedding-wire.js';
import { generateTokens } from './generation.js';
import { promptTokens, renderChat } from './prompt.js';
import { loadFailure, type EmbeddedRuntime } from './runtime.js';
import { Slots } from './slots.js';

export interface EmbeddedOptions {
  runtime: EmbeddedRuntime;
  model: string;
  /** Tokens per slot. */
  contextLength: number;
  slots: number;
  threads: number;
  capabilities: EngineCapabilities;
  chatTemplate?: string | undefined;
  onProgress?: ((fraction: number) => void) | undefined;
}

/** ChatML, for models whose file carries no template. */
const DEFAULT_TEMPLATE =
  "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}" +
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

/** Tokens of one input to embed. */
const LONGEST_EMBEDDING = 2_048;

/** One model inside this process. A crash of the native code takes the plugin with it; the host starts it anew. */
export class EmbeddedEngine implements Engine {
  readonly kind = 'embedded';
  readonly contextLength: number;
  readonly capabilities: EngineCapabilities;
  readonly #options: EmbeddedOptions;
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #template: Template;
  readonly #sequences: Slots<LlamaContextSequence>;
  readonly #stopping = new AbortController();
  readonly #idle = new Set<() => void>();
  #embedding: { context: Promise<LlamaEmbeddingContext>; turn: Slots<true> } | undefined;
  #inFlight = 0;
  #stopped: Promise<void> | undefined;

  private constructor(
    options: EmbeddedOptions,
    model: LlamaModel,
    context: LlamaContext,
    template: Template,
  ) {
    this.#options = options;
    this.#model = model;
    this.#context = context;
    this.#template = template;
    this.capabilities = options.capabilities;
    this.#sequences = new Slots(Array.from({ length: options.slots }, () => context.getSequence()));
    this.contextLength = Math.min(options.contextLength, context.contextSize);
  }

  /** Loads a model into this process. */
  static async start(options: EmbeddedOptions, signal: AbortSignal): Promise<EmbeddedEngine> {
    const { runtime, contextLength, slots, threads } = options;
    const model = await runtime.loadModel(options.model, signal, options.onProgress ?? (() => undefined));
    try {
      const template = runtime.template(options.chatTemplate ?? DEFAULT_TEMPLATE);
      if (template === undefined) {
        throw new EngineError(
          'unsupported',
          'the embedded engine cannot read the chat template of this model; use llama-server',
        );
      }
      const context = await model.createContext({
        contextSize: contextLength,
        sequences: slots,
        threads,
        createSignal: signal,
      });
      return new EmbeddedEngine(options, model, context, template);
    } catch (cause) {
      await model.dispose();
      if (cause instanceof EngineError) throw cause;
      if (signal.aborted) throw new EngineError('stopped', 'loading the model was given up', { cause });
      throw loadFailure(cause);
    }
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal,
  ): AsyncGenerator<readonly EngineEvent[], void, void> {
    this.#begin();
    const bound = AbortSignal.any([signal, this.#stopping.signal]);
    try {
      const sequence = await this.#sequences.take(bound);
      try {
        yield* generateTokens({
          request,
          runtime: this.#options.runtime,
          model: this.#model,
          template: this.#template,
          sequence,
          contextLength: this.contextLength,
          reasoning: this.capabilities.reasoning,
          signal: bound,
        });
      } finally {
        this.#sequences.give(sequence);
      }
    } catch (error) {
      throw this.#explain(error, signal);
    } finally {
      this.#end();
    }
  }

  async embed(
    inputs: readonly (string | readonly number[])[],
    signal: AbortSignal,
  ): Promise<EmbeddingResult> {
    if (!this.capabilities.embedding)
      throw cannotEmbed('use an embedding model, or llama-server with embeddings: true for it');
    this.#begin();
    const bound = AbortSignal.any([signal, this.#stopping.signal]);
    try {
      // The whole input is computed at once, so this bounds memory; llama-server is given the same bound.
      const length = Math.min(this.contextLength, LONGEST_EMBEDDING);
      this.#embedding ??= {
        context: this.#model.createEmbeddingContext({
          contextSize: length,
          batchSize: length,
          threads: this.#options.threads,
        }),
        turn: new Slots([true]),
      };
      const { context, turn } = this.#embedding;
      const vectors: Float32Array[] = [];
      let inputTokens = 0;
      for (const input of inputs) {
        const tokens = typeof input === 'string' ? promptTokens(input, this.#model) : this.#known(input);
        if (tokens.length > length) {
          throw new EngineError(
            'context_length',
            `an input has ${tokens.length} tokens, the model embeds at most ${length}`,
            {
              param: 'input',
            },
          );
        }
        inputTokens += tokens.length;
        const lease = await turn.take(bound);
        try {
          vectors.push(normalized((await (await context).getEmbeddingFor(tokens)).vector));
        } finally {
          turn.give(lease);
        }
      }
      return { vectors, inputTokens };
    } catch (error) {
      throw this.#explain(error, signal);
    } finally {
      this.#end();
    }
  }

  countTokens(input: GenerationInput, _signal: AbortSignal): Promise<number> {
    const prompt = input.kind === 'chat' ? renderChat(input, this.#template, this.#model) : input.prompt;
    return Promise.resolve(promptTokens(prompt, this.#model).length);
  }

  metrics(_signal: AbortSignal): Promise<EngineMetrics> {
    return Promise.resolve({ inFlight: this.#inFlight, slots: this.#sequences.size, samples: [] });
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new EngineError('stopped', 'the model was unloaded'));
    // Native memory must not be freed under a computation; each ends at its next token.
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.add(resolve));
    const embedding = await this.#embedding?.context.catch(() => undefined);
    await embedding?.dispose();
    await this.#context.dispose();
    await this.#model.dispose();
  }

  /** Token ids of a caller; the native code fails on those that the model has not. */
  #known(ids: readonly number[]): Token[] {
    const unknown = ids.find((id) => id >= this.#model.fileInfo.metadata.tokenizer.ggml.tokens.length);
    if (unknown !== undefined) {
      throw new EngineError('invalid_request', `${unknown} is no token of this model`, { param: 'input' });
    }
    return [...ids] as Token[];
  }

  #begin(): void {
    if (this.#stopping.signal.aborted) throw this.#stopping.signal.reason as EngineError;
    this.#inFlight++;
  }

  #end(): void {
    this.#inFlight--;
    if (this.#inFlight > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  #explain(error: unknown, signal: AbortSignal): Error {
    if (error instanceof EngineError) return error;
    if (signal.aborted) return new EngineError('cancelled', 'the request was cancelled', { cause: error });
    if (this.#stopping.signal.aborted) return this.#stopping.signal.reason as EngineError;
    const detail = error instanceof Error ? error.message : String(error);
    return new EngineError('engine_error', 'the embedded engine failed', { detail, cause: error });
  }
}

function normalized(vector: readonly number[]): Float32Array {
  const norm = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => (norm === 0 ? 0 : value / norm));
}
