/**
 * What the tools need of the host, in plain JSON shapes. Every method may reject with an
 * object that has `kind` (of the error table) and `message`, and perhaps `param` and `retryAfterMs`.
 */
export interface InferencePort {
  /** All models of all plugins, in a stable order. */
  models(): Promise<readonly ModelSummary[]>;
  /** One model by any of its names, with everything known of it. */
  model(id: string): Promise<ModelDetail>;
  /** `onDelta` hears the text as it comes; the answer holds all of it. */
  generate(input: GenerateInput, call: PortCall, onDelta?: (text: string) => void): Promise<Answer>;
  embed(input: EmbedInput, call: PortCall): Promise<Embeddings>;
  countTokens(input: CountTokensInput, call: PortCall): Promise<TokenCount>;
  plugins(): Promise<readonly PluginSummary[]>;
  /** Counters of the host, for people and models to read. */
  usage(): Promise<Readonly<Record<string, unknown>>>;
}

/** What belongs to one call. */
export interface PortCall {
  readonly signal: AbortSignal;
  readonly requestId: string;
  readonly principal?: string;
  /** W3C trace context; empty without tracing. */
  readonly traceparent: string;
}

/** A model as a list shows it. */
export interface ModelSummary {
  /** `plugin/model`: always accepted. */
  readonly id: string;
  /** Other names that mean it now. */
  readonly names?: readonly string[];
  readonly plugin: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly contextLength?: number;
  readonly state?: string;
}

/** A model with everything its plugin says about it. */
export type ModelDetail = ModelSummary & Readonly<Record<string, unknown>>;

/** A message of a conversation, in the shape of the OpenAI API. */
export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  readonly content?: string | null | readonly Readonly<Record<string, unknown>>[];
  readonly name?: string;
  readonly tool_calls?: readonly Readonly<Record<string, unknown>>[];
  readonly tool_call_id?: string;
}

/** A request to generate. */
export interface GenerateInput {
  /** Empty for the default model. */
  readonly model: string;
  /** A `prompt` of the caller arrives here as one user message, `system` as a first message. */
  readonly messages: readonly ChatMessage[];
  /** Everything else that the caller set, by its name in the OpenAI API. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Parameters that cannot be honoured are an error instead of a warning. */
  readonly strictParams: boolean;
}

/** A finished answer. */
export interface Answer {
  readonly text: string;
  readonly reasoning?: string;
  readonly toolCalls: readonly ToolCall[];
  /** `stop`, `length`, `tool_calls`, `content_filter`, … */
  readonly finishReason: string;
  readonly usage: Usage;
  /** `plugin/model` that answered. */
  readonly model: string;
  readonly plugin: string;
  readonly warnings: readonly string[];
  /** Parameters that were left out because the plugin does not know them. */
  readonly ignoredParams: readonly string[];
}

/** A call that the model wants made. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}

/** Tokens of one call; what is not known is absent. */
export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly [key: string]: unknown;
}

/** A request to embed. */
export interface EmbedInput {
  readonly model: string;
  readonly input: readonly string[];
  readonly dimensions?: number;
  readonly strictParams: boolean;
}

/** Embeddings in the order of the input. */
export interface Embeddings {
  readonly model: string;
  readonly plugin: string;
  readonly embeddings: readonly (readonly number[])[];
  readonly usage: Usage;
  readonly warnings: readonly string[];
  readonly ignoredParams: readonly string[];
}

/** A request to count tokens. */
export interface CountTokensInput {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
}

/** Tokens of a prompt. */
export interface TokenCount {
  readonly inputTokens: number;
  /** The plugin cannot count exactly. */
  readonly estimated: boolean;
}

/** A plugin and how it is. Never holds a secret. */
export interface PluginSummary {
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly models?: number;
  readonly [key: string]: unknown;
}
