import { Metadata } from '@grpc/grpc-js';
import {
  BadRequest,
  Duration,
  ErrorInfo,
  RetryInfo,
  RpcStatus,
  codecOf,
  errorDomain,
  errorReasons,
  grpcCode,
  type ErrorReason,
} from '@outrigger/proto';
import { Departure, type OpenCall } from './open-call.js';
import type { PluginError, PluginErrorDetails } from './plugin-error.js';

/** A status as grpc-js sends it. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

// Trailers travel in one header block, which clients bound to about 8 KiB.
const longestMessage = 1_024;
const longestDescription = 160;
const mostViolations = 16;
const mostMetadata = 16;

const statusCodec = codecOf(RpcStatus);
const errorInfoCodec = codecOf(ErrorInfo);
const retryInfoCodec = codecOf(RetryInfo);
const badRequestCodec = codecOf(BadRequest);

/** Cuts a text and mends halves of characters, on which grpc-js would throw. */
function bounded(text: string, length: number): string {
  const short = text.length <= length ? text : `${text.slice(0, length - 1)}…`;
  return Buffer.from(short, 'utf8').toString('utf8');
}

function any(name: string, value: Buffer): { typeUrl: string; value: Buffer } {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value };
}

/** The status of an error with a reason. */
export function statusFor(reason: ErrorReason, message: string, more: PluginErrorDetails = {}): GrpcStatus {
  const code = grpcCode[errorReasons[reason]];
  const details = bounded(message, longestMessage);
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(more.metadata ?? {}).slice(0, mostMetadata)) {
    metadata[bounded(key, 64)] = bounded(value, longestDescription);
  }
  const parts = [any('ErrorInfo', errorInfoCodec.encode({ reason, domain: errorDomain, metadata }))];
  if (more.retryAfterMs !== undefined && Number.isFinite(more.retryAfterMs)) {
    const milliseconds = Math.max(0, Math.round(more.retryAfterMs));
    const retryDelay = Duration.create({
      seconds: BigInt(Math.floor(milliseconds / 1000)),
      nanos: (milliseconds % 1000) * 1_000_000,
    });
    parts.push(any('RetryInfo', retryInfoCodec.encode({ retryDelay })));
  }
  if (more.fields !== undefined && more.fields.length > 0) {
    const fieldViolations = more.fields.slice(0, mostViolations).map((violation) => ({
      field: bounded(violation.field, longestDescription),
      description: bounded(violation.description, longestDescription),
    }));
    parts.push(any('BadRequest', badRequestCodec.encode({ fieldViolations })));
  }
  const trailers = new Metadata();
  trailers.set('grpc-status-details-bin', statusCodec.encode({ code, message: details, details: parts }));
  return { code, details, metadata: trailers };
}

/** Tells PluginErrors, those of another copy of this package included. */
export function isPluginError(error: unknown): error is PluginError {
  return (
    error instanceof Error &&
    error.name === 'PluginError' &&
    'reason' in error &&
    typeof error.reason === 'string' &&
    Object.hasOwn(errorReasons, error.reason)
  );
}

/**
 * The status that a handler's error becomes. An error that nobody meant becomes
 * INTERNAL without its text, which may hold paths or secrets; the log has it.
 */
export function statusOf(error: unknown, call: OpenCall | undefined): GrpcStatus {
  if (isPluginError(error)) return statusFor(error.reason, error.message, error.details);
  const ended: unknown = call?.aborted === true ? call.reason : undefined;
  const reason = error instanceof Departure ? error : ended;
  if (isPluginError(reason)) return statusFor(reason.reason, reason.message, reason.details);
  if (reason instanceof DOMException) {
    if (reason.name === 'TimeoutError') return statusFor('UPSTREAM_TIMEOUT', reason.message);
    if (reason.name === 'AbortError') return statusFor('CANCELLED', reason.message);
  }
  return statusFor('INTERNAL', 'the plugin failed; its log says why');
}

/** Whether an error is worth a line with its stack in the log. */
export function isUnexpected(error: unknown, call: OpenCall | undefined): boolean {
  return !isPluginError(error) && !(error instanceof Departure) && call?.aborted !== true;
}
