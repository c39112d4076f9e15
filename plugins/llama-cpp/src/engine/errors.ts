/**
 * What can go wrong between this plugin and an engine. The adapter turns a kind into the contract's reason; nothing
 * here knows the contract.
 */
export const ENGINE_ERROR_KINDS = [
  /** The request is wrong; `param` names the field. */
  'invalid_request',
  /** The prompt does not fit into the context. */
  'context_length',
  /** The engine or this model cannot do what was asked. */
  'unsupported',
  /** The model file cannot be loaded. */
  'bad_model',
  /** Not enough memory for model or context. */
  'out_of_memory',
  /** No usable llama-server: absent, not executable, wrong flags, missing libraries, port taken. */
  'engine_unusable',
  /** The model did not become ready in time. */
  'start_timeout',
  /** The engine is starting, restarting or loading; try again. */
  'loading',
  /** The engine died while it worked on the request. */
  'crashed',
  /** The answer broke off: no end marker, though nobody died. */
  'truncated',
  /** The engine answered with an error of its own. */
  'engine_error',
  /** The engine was stopped, by unloading the model or because the plugin ends. */
  'stopped',
  /** Too many requests wait already. */
  'queue_full',
  /** The caller left. */
  'cancelled',
] as const;
export type EngineErrorKind = (typeof ENGINE_ERROR_KINDS)[number];

export interface EngineErrorDetails {
  /** The request field at fault, in OpenAI's words. */
  readonly param?: string;
  /** More for the log: last lines of the engine, file paths. Never shown to callers. */
  readonly detail?: string;
  readonly promptTokens?: number;
  readonly contextLength?: number;
  readonly cause?: unknown;
}

/** An error with a kind and a message fit for callers: one sentence, without paths. */
export class EngineError extends Error {
  readonly kind: EngineErrorKind;
  readonly details: EngineErrorDetails;

  constructor(kind: EngineErrorKind, message: string, details: EngineErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EngineError';
    this.kind = kind;
    this.details = details;
  }
}
