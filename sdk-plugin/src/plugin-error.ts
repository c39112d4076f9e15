import type { ErrorReason } from '@outrigger/proto';

/** More about a PluginError. */
export interface PluginErrorDetails {
  /** When to try again, in milliseconds; travels as google.rpc.RetryInfo. */
  readonly retryAfterMs?: number;
  /** Wrong fields, by their path in the request; travel as google.rpc.BadRequest. */
  readonly fields?: readonly { readonly field: string; readonly description: string }[];
  /** More for programs, for example the vendor's own code; never a secret. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/**
 * An error that a handler means: its reason decides the gRPC code (see
 * `errorReasons` of @outrigger/proto) and travels in google.rpc.ErrorInfo.
 * Whatever else a handler throws reaches the caller as INTERNAL, without text.
 */
export class PluginError extends Error {
  readonly reason: ErrorReason;
  readonly details: PluginErrorDetails;

  constructor(reason: ErrorReason, message: string, details: PluginErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PluginError';
    this.reason = reason;
    this.details = details;
  }
}

/** The error for a model that is not there. */
export function modelNotFound(id: string): PluginError {
  const description = `model ${JSON.stringify(id)} does not exist`;
  return new PluginError('MODEL_NOT_FOUND', description, { fields: [{ field: 'model', description }] });
}
