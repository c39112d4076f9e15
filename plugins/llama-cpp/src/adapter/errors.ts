import type { ErrorReason } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import { EngineError, type EngineErrorKind } from '../engine/errors.js';

const REASONS = {
  invalid_request: 'INVALID_REQUEST',
  context_length: 'CONTEXT_LENGTH_EXCEEDED',
  unsupported: 'UNSUPPORTED_PARAMETER',
  bad_model: 'MODEL_BROKEN',
  out_of_memory: 'OUT_OF_MEMORY',
  engine_unusable: 'UPSTREAM_UNAVAILABLE',
  start_timeout: 'UPSTREAM_TIMEOUT',
  loading: 'MODEL_LOADING',
  crashed: 'UPSTREAM_ERROR',
  truncated: 'TRUNCATED',
  engine_error: 'UPSTREAM_ERROR',
  stopped: 'MODEL_NOT_LOADED',
  queue_full: 'QUEUE_FULL',
  cancelled: 'CANCELLED',
} as const satisfies Record<EngineErrorKind, ErrorReason>;

/** Errors that go away by themselves, and when to look again. */
const RETRY_MS: Partial<Record<EngineErrorKind, number>> = {
  loading: 1_000,
  queue_full: 1_000,
  crashed: 500,
};

/** An engine's error in the contract's words. `spoke`: whether part of the answer was given already. */
export function pluginError(error: EngineError, spoke = false): PluginError {
  const { kind, message, details } = error;
  const retryAfterMs = RETRY_MS[kind];
  const metadata = {
    ...(details.promptTokens === undefined ? {} : { prompt_tokens: String(details.promptTokens) }),
    ...(details.contextLength === undefined ? {} : { context_length: String(details.contextLength) }),
  };
  return new PluginError(reasonOf(error, spoke), message, {
    cause: error,
    metadata,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(details.param === undefined ? {} : { fields: [{ field: details.param, description: message }] }),
  });
}

function reasonOf({ kind, details }: EngineError, spoke: boolean): ErrorReason {
  // What the model as a whole cannot do is not a matter of a parameter.
  if (kind === 'unsupported' && details.param === 'model') return 'UNSUPPORTED_OPERATION';
  // Nothing was said yet: the same request may well succeed on the restarted engine.
  if (kind === 'crashed' && !spoke) return 'UPSTREAM_UNAVAILABLE';
  return REASONS[kind];
}

/** Any error of a call: the caller's own leaving stays what it is, the engine's is translated. */
export function callError(error: unknown, signal: AbortSignal, spoke = false): unknown {
  if (signal.aborted) return signal.reason;
  return error instanceof EngineError ? pluginError(error, spoke) : error;
}
