// Ollama's native API on the wire, as far as this plugin reads it. Every field
// may be missing: the server leaves out zeros.

/** One token's log probability. */
export interface WireLogprob {
  token?: string;
  logprob?: number;
  bytes?: number[];
  top_logprobs?: WireLogprob[];
}

/** A tool call; always whole. */
export interface WireToolCall {
  id?: string;
  function?: { index?: number; name?: string; arguments?: unknown };
}

/** A line of /api/chat or /api/generate; `message` is chat's, `response` the other's. */
export interface WireAnswer {
  model?: string;
  message?: { role?: string; content?: string; thinking?: string; tool_calls?: WireToolCall[] };
  response?: string;
  thinking?: string;
  done?: boolean;
  done_reason?: string;
  logprobs?: WireLogprob[];
  /** Durations are in nanoseconds. */
  load_duration?: number;
  prompt_eval_count?: number;
  prompt_eval_cached_count?: number;
  prompt_eval_duration?: number;
  eval_count?: number;
  eval_duration?: number;
  error?: unknown;
}

/** Details of a model's weights. */
export interface WireDetails {
  format?: string;
  family?: string;
  parameter_size?: string;
  quantization_level?: string;
  context_length?: number;
  embedding_length?: number;
}

/** An entry of /api/tags. */
export interface WireTag {
  name?: string;
  model?: string;
  remote_model?: string;
  remote_host?: string;
  modified_at?: string;
  size?: number;
  digest?: string;
  details?: WireDetails;
  capabilities?: string[];
}

/** The answer of /api/show. */
export interface WireShow {
  details?: WireDetails;
  model_info?: Record<string, unknown>;
  capabilities?: string[];
  parameters?: string;
  thinking?: { values?: unknown[]; default?: unknown };
  remote_host?: string;
  remote_model?: string;
}

/** An entry of /api/ps. */
export interface WireLoaded {
  name?: string;
  model?: string;
  size?: number;
  size_vram?: number;
  expires_at?: string;
  context_length?: number;
}

/** The answer of /api/embed. */
export interface WireEmbeddings {
  model?: string;
  embeddings?: number[][];
  prompt_eval_count?: number;
  load_duration?: number;
  total_duration?: number;
}

/** A line of /api/pull. */
export interface WireProgress {
  status?: string;
  digest?: string;
  total?: number;
  completed?: number;
  error?: unknown;
}
