import {
  BadRequest,
  ErrorInfo,
  RetryInfo,
  RpcStatus,
  errorReasons,
  grpcCode,
  type ErrorReason,
} from '@outrigger/proto';
import type { ErrorKind } from '../errors/error-table.js';
import { GatewayError } from '../errors/gateway-error.js';
import type { CallStatus } from './transport.js';

/** What each reason of the contract is to a caller. */
const kindByReason = {
  INVALID_REQUEST: 'invalid_request',
  UNSUPPORTED_PARAMETER: 'unsupported_parameter',
  CONTEXT_LENGTH_EXCEEDED: 'context_length_exceeded',
  MODEL_NOT_FOUND: 'model_not_found',
  NOT_FOUND: 'not_found',
  MODEL_NOT_LOADED: 'model_unavailable',
  MODEL_BROKEN: 'model_unavailable',
  MODEL_IN_USE: 'conflict',
  INSTANCE_MISMATCH: 'plugin_unavailable',
  CONFLICT: 'conflict',
  RATE_LIMITED: 'rate_limited',
  QUOTA_EXCEEDED: 'quota_exceeded',
  QUEUE_FULL: 'queue_full',
  OUT_OF_MEMORY: 'out_of_memory',
  MESSAGE_TOO_LARGE: 'payload_too_large',
  DRAINING: 'plugin_unavailable',
  STARTING: 'plugin_unavailable',
  MODEL_LOADING: 'model_loading',
  UPSTREAM_UNAVAILABLE: 'upstream_unavailable',
  UPSTREAM_UNAUTHENTICATED: 'upstream_unauthenticated',
  UPSTREAM_PERMISSION_DENIED: 'permission_denied',
  CONTENT_FILTERED: 'content_filtered',
  UPSTREAM_TIMEOUT: 'total_timeout',
  CANCELLED: 'truncated',
  CHECKSUM_MISMATCH: 'upstream_error',
  TRUNCATED: 'truncated',
  UNSUPPORTED_OPERATION: 'unsupported_operation',
  UPSTREAM_ERROR: 'upstream_error',
  INTERNAL: 'internal',
} as const satisfies Record<ErrorReason, ErrorKind>;

/** For plugins that give no reason. */
const kindByCode: Readonly<Record<number, ErrorKind>> = {
  [grpcCode.CANCELLED]: 'truncated',
  [grpcCode.INVALID_ARGUMENT]: 'invalid_request',
  [grpcCode.DEADLINE_EXCEEDED]: 'total_timeout',
  [grpcCode.NOT_FOUND]: 'model_not_found',
  [grpcCode.ALREADY_EXISTS]: 'conflict',
  [grpcCode.PERMISSION_DENIED]: 'permission_denied',
  [grpcCode.RESOURCE_EXHAUSTED]: 'queue_full',
  [grpcCode.FAILED_PRECONDITION]: 'model_unavailable',
  [grpcCode.ABORTED]: 'conflict',
  [grpcCode.OUT_OF_RANGE]: 'context_length_exceeded',
  [grpcCode.UNIMPLEMENTED]: 'unsupported_operation',
  [grpcCode.UNAVAILABLE]: 'plugin_unavailable',
  [grpcCode.DATA_LOSS]: 'truncated',
  [grpcCode.UNAUTHENTICATED]: 'upstream_unauthenticated',
};

/** Reasons that a plugin gives before it has begun to work. */
const notStarted = new Set<string>(['DRAINING', 'STARTING', 'INSTANCE_MISMATCH']);

/** How long callers are told to wait when the plugin itself is away, in milliseconds. */
const unavailableRetryMs = 1000;

/** Longest message of a plugin that is passed on. */
const maxMessageLength = 2000;

/** The status of a failed call as the error that a caller sees. */
export function pluginFailure(status: CallStatus, plugin: string): GatewayError {
  const details = readDetails(status.details);
  const reason =
    details.reason !== undefined && details.reason in errorReasons
      ? (details.reason as ErrorReason)
      : undefined;
  const kind = reason === undefined ? (kindByCode[status.code] ?? 'internal') : kindByReason[reason];
  const retryAfterMs =
    details.retryAfterMs ?? (kind === 'plugin_unavailable' ? unavailableRetryMs : undefined);
  return new GatewayError(kind, messageOf(status, reason, kind, plugin), {
    plugin,
    notStarted: reason === undefined ? neverSent(status) : notStarted.has(reason),
    ...(details.field === undefined ? {} : { param: details.field }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** A status that no plugin gave: the connection itself is broken. */
export function connectionBroken(status: CallStatus): boolean {
  return status.code === grpcCode.UNAVAILABLE && status.details === undefined;
}

/** The gRPC library's words for a call that never left, because no connection stands. */
function neverSent(status: CallStatus): boolean {
  return (
    status.code === grpcCode.UNAVAILABLE &&
    /^(No connection established|Failed to connect)/.test(status.message)
  );
}

function messageOf(
  status: CallStatus,
  reason: ErrorReason | undefined,
  kind: ErrorKind,
  plugin: string,
): string {
  if (reason !== undefined) return status.message.slice(0, maxMessageLength);
  // Without a reason the text is the transport's or a stranger's: addresses and paths stay inside.
  switch (kind) {
    case 'plugin_unavailable':
      return `plugin ${plugin} does not answer; it has crashed or is being restarted`;
    case 'truncated':
      return `plugin ${plugin} gave the request up`;
    case 'unsupported_operation':
      return `plugin ${plugin} does not offer this operation`;
    case 'queue_full':
      return `plugin ${plugin} refused: a limit on messages or on its work is reached`;
    case 'internal':
      return `plugin ${plugin} failed in a way that the contract does not know (gRPC code ${status.code})`;
    default:
      return status.message.slice(0, maxMessageLength);
  }
}

/** The reason of an error in the contract's words, and whose reason it is; undefined where it gives none. */
export function errorDetails(bytes: Buffer | undefined): Pick<Details, 'reason' | 'domain'> {
  const { reason, domain } = readDetails(bytes);
  return { reason, domain };
}

interface Details {
  reason: string | undefined;
  domain: string | undefined;
  retryAfterMs?: number;
  field?: string;
}

function readDetails(bytes: Buffer | undefined): Details {
  const details: Details = { reason: undefined, domain: undefined };
  if (bytes === undefined) return details;
  try {
    for (const any of RpcStatus.decode(bytes).details) {
      if (any.typeUrl.endsWith('/google.rpc.ErrorInfo')) {
        const { reason, domain } = ErrorInfo.decode(any.value);
        Object.assign(details, { reason, domain });
      } else if (any.typeUrl.endsWith('/google.rpc.RetryInfo')) {
        const delay = RetryInfo.decode(any.value).retryDelay;
        if (delay !== undefined) details.retryAfterMs = Number(delay.seconds) * 1000 + delay.nanos / 1e6;
      } else if (any.typeUrl.endsWith('/google.rpc.BadRequest')) {
        const field = BadRequest.decode(any.value).fieldViolations[0]?.field;
        if (field !== undefined) details.field = field;
      }
    }
  } catch {
    // Details that cannot be read are no details.
  }
  return details;
}
