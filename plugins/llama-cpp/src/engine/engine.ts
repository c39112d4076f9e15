/**
 * One loaded model, however it runs. Messages and tools have the shape that chat templates and llama-server agree
 * on; JSON that must keep its order and its digits travels as text.
 */

/** A part of a message that is not plain text. */
export type ChatContentPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string } }
  | { type: 'input_audio'; input_audio: { data: string; format: string } };

export interface ChatToolCall {
  id: string;
  name: string;
  /** The arguments as JSON text. */
  arguments: string;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string | readonly ChatContentPart[] | null;
  reasoning?: string;
  toolCalls?: readonly ChatToolCall[];
  toolCallId?: string;
  name?: string;
}

export interface ChatTool {
  name: string;
  description: string;
  /** JSON Schema of the arguments, as text. */
  parameters: string;
}

export type GenerationInput =
  | {
      kind: 'chat';
      messages: readonly ChatMessage[];
      tools: readonly ChatTool[];
      toolChoice?: 'auto' | 'none' | 'required' | { name: string };
      parallelToolCalls?: boolean;
      /** The last message is the assistant's and is to be continued. */
      prefill?: boolean;
    }
  | { kind: 'completion'; prompt: string };

/** How to pick tokens; what is absent is the engine's default. */
export interface SamplingOptions {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  typicalP?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  repeatPenalty?: number;
  seed?: bigint;
  stop?: readonly string[];
  maxTokens?: number;
  candidates?: number;
  /** Token id to bias, -100 to 100. */
  logitBias?: ReadonlyMap<number, number>;
  /** Return log probabilities with that many alternatives, 0 to 20. */
  topLogprobs?: number;
}

export interface GenerationRequest {
  input: GenerationInput;
  sampling: SamplingOptions;
  format?: { kind: 'json' } | { kind: 'json-schema'; schema: string };
  reasoning?: { effort?: string; budgetTokens?: number };
  /** The engine's own parameters by name, already checked against what `extraParameters` declares. */
  extra?: Readonly<Record<string, unknown>>;
  /** The caller wants the whole answer at once; only a hint. */
  unary?: boolean;
}

export interface TokenLogprob {
  token: string;
  bytes: Uint8Array;
  /** Natural logarithm. */
  logprob: number;
  top: readonly TokenLogprob[];
}

export type EngineFinishReason =
  'stop' | 'stop_sequence' | 'length' | 'context_length' | 'tool_calls' | 'other';

/** What an engine tells while it generates. `choice` counts candidates, `call` the tool calls of one candidate. */
export type EngineEvent =
  | { type: 'text'; choice: number; text: string; logprobs?: readonly TokenLogprob[] }
  | { type: 'reasoning'; choice: number; text: string }
  | {
      type: 'tool-call';
      choice: number;
      call: number;
      id: string;
      synthesised: boolean;
      name: string;
      arguments: string;
    }
  | { type: 'tool-arguments'; choice: number; call: number; fragment: string }
  | { type: 'finish'; choice: number; reason: EngineFinishReason; raw: string; stopSequence?: string }
  | { type: 'warning'; code: string; param: string; message: string }
  | {
      type: 'usage';
      inputTokens?: number;
      outputTokens?: number;
      cachedTokens?: number;
      promptMs?: number;
      generationMs?: number;
    };

export interface EmbeddingResult {
  /** One per input, of length 1 in the Euclidean norm. */
  vectors: readonly Float32Array[];
  inputTokens?: number;
}

/** What this engine can do with this model. */
export interface EngineCapabilities {
  readonly chat: boolean;
  readonly completion: boolean;
  readonly embedding: boolean;
  readonly tools: boolean;
  readonly structuredOutput: boolean;
  readonly logprobs: boolean;
  readonly reasoning: boolean;
  readonly candidates: boolean;
  readonly vision: boolean;
}

export interface EngineMetrics {
  readonly inFlight: number;
  readonly slots: number;
  readonly memoryBytes?: number;
  /** The engine's own figures, by Prometheus name. */
  readonly samples: readonly { name: string; value: number; counter: boolean; help: string }[];
}

export interface Engine {
  readonly kind: 'llama-server' | 'embedded';
  readonly capabilities: EngineCapabilities;
  /** Tokens one request may use, prompt and answer together. */
  readonly contextLength: number;
  /** Requests and calls being worked on. */
  readonly inFlight: number;
  /**
   * Generates; each item holds what was ready at one moment. Ends after a finish for every candidate, or throws an
   * EngineError; it never just ends. Leaving the loop or aborting stops the engine's work on it.
   */
  generate(
    request: GenerationRequest,
    signal: AbortSignal,
  ): AsyncGenerator<readonly EngineEvent[], void, void>;
  embed(inputs: readonly (string | readonly number[])[], signal: AbortSignal): Promise<EmbeddingResult>;
  /** Tokens that the input would put into the model, template included. */
  countTokens(input: GenerationInput, signal: AbortSignal): Promise<number>;
  metrics(signal: AbortSignal): Promise<EngineMetrics>;
  /** Ends live requests with an error, stops the engine and frees everything. Idempotent; done within about 4 s. */
  stop(): Promise<void>;
}
