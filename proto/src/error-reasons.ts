/**
 * Reasons that a plugin gives for an error, in `google.rpc.ErrorInfo.reason`
 * with the domain below, and the canonical gRPC code that each travels with.
 * Codes are the numbers of the gRPC specification.
 */
export const errorDomain = 'plugin.outrigger.dev';

/** Canonical gRPC codes by name. */
export const grpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** A canonical gRPC code by its name. */
export type GrpcCodeName = keyof typeof grpcCode;

/** What each reason means is said in the contract's comments and in proto/README.md. */
export const errorReasons = {
  INVALID_REQUEST: 'INVALID_ARGUMENT',
  UNSUPPORTED_PARAMETER: 'INVALID_ARGUMENT',
  CONTEXT_LENGTH_EXCEEDED: 'OUT_OF_RANGE',
  MODEL_NOT_FOUND: 'NOT_FOUND',
  NOT_FOUND: 'NOT_FOUND',
  MODEL_NOT_LOADED: 'FAILED_PRECONDITION',
  MODEL_BROKEN: 'FAILED_PRECONDITION',
  MODEL_IN_USE: 'FAILED_PRECONDITION',
  INSTANCE_MISMATCH: 'FAILED_PRECONDITION',
  CONFLICT: 'ABORTED',
  RATE_LIMITED: 'RESOURCE_EXHAUSTED',
  QUOTA_EXCEEDED: 'RESOURCE_EXHAUSTED',
  QUEUE_FULL: 'RESOURCE_EXHAUSTED',
  OUT_OF_MEMORY: 'RESOURCE_EXHAUSTED',
  MESSAGE_TOO_LARGE: 'RESOURCE_EXHAUSTED',
  DRAINING: 'UNAVAILABLE',
  STARTING: 'UNAVAILABLE',
  MODEL_LOADING: 'UNAVAILABLE',
  UPSTREAM_UNAVAILABLE: 'UNAVAILABLE',
  UPSTREAM_UNAUTHENTICATED: 'UNAUTHENTICATED',
  UPSTREAM_PERMISSION_DENIED: 'PERMISSION_DENIED',
  CONTENT_FILTERED: 'FAILED_PRECONDITION',
  UPSTREAM_TIMEOUT: 'DEADLINE_EXCEEDED',
  CANCELLED: 'CANCELLED',
  CHECKSUM_MISMATCH: 'DATA_LOSS',
  TRUNCATED: 'DATA_LOSS',
  UNSUPPORTED_OPERATION: 'UNIMPLEMENTED',
  UPSTREAM_ERROR: 'INTERNAL',
  INTERNAL: 'INTERNAL',
} as const satisfies Record<string, GrpcCodeName>;

/** A reason that the contract names. */
export type ErrorReason = keyof typeof errorReasons;
