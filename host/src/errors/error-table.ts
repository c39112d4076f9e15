/** How one kind of error looks at every door. */
export interface ErrorRow {
  /** Name of the canonical gRPC code. */
  readonly grpc: string;
  /** HTTP status. */
  readonly http: number;
  /** `error.type` of the OpenAI door. */
  readonly openaiType: string;
  /** `error.code` of the OpenAI door. */
  readonly openaiCode: string | null;
  /** JSON-RPC code for faults of the MCP protocol; a failing tool is `isError` with the kind instead. */
  readonly mcp: number;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** One sentence for the documentation. */
  readonly meaning: string;
}

const invalid = 'invalid_request_error';

/** Every kind of error that the host answers with; docs/errors.md is made from it. */
export const errorTable = {
  invalid_request: row(
    'INVALID_ARGUMENT',
    400,
    invalid,
    null,
    -32602,
    false,
    'A field is missing, unknown or of the wrong type.',
  ),
  unsupported_parameter: row(
    'INVALID_ARGUMENT',
    400,
    invalid,
    'unsupported_parameter',
    -32602,
    false,
    'The plugin cannot honour a parameter and the caller asked for strictness.',
  ),
  context_length_exceeded: row(
    'OUT_OF_RANGE',
    400,
    invalid,
    'context_length_exceeded',
    -32602,
    false,
    'The prompt does not fit into the context of the model.',
  ),
  unsupported_operation: row(
    'UNIMPLEMENTED',
    400,
    invalid,
    'unsupported_operation',
    -32602,
    false,
    'The plugin or the model does not offer this operation.',
  ),
  unauthenticated: row(
    'UNAUTHENTICATED',
    401,
    'authentication_error',
    'invalid_api_key',
    -32001,
    false,
    'The credential is missing or wrong.',
  ),
  permission_denied: row(
    'PERMISSION_DENIED',
    403,
    'permission_error',
    'permission_denied',
    -32003,
    false,
    'The credential does not allow this.',
  ),
  model_not_found: row('NOT_FOUND', 404, invalid, 'model_not_found', -32602, false, 'No model of that name.'),
  not_found: row(
    'NOT_FOUND',
    404,
    'not_found_error',
    'not_found',
    -32602,
    false,
    'No such thing at this address.',
  ),
  method_not_allowed: row(
    'UNIMPLEMENTED',
    405,
    invalid,
    'method_not_allowed',
    -32601,
    false,
    'The address exists, but not for this HTTP method.',
  ),
  conflict: row(
    'ABORTED',
    409,
    invalid,
    'conflict',
    -32602,
    true,
    'Something else is being done to the same thing, or it is in use.',
  ),
  payload_too_large: row(
    'RESOURCE_EXHAUSTED',
    413,
    invalid,
    'payload_too_large',
    -32602,
    false,
    'The request is larger than the limit.',
  ),
  unsupported_media_type: row(
    'INVALID_ARGUMENT',
    415,
    invalid,
    'unsupported_media_type',
    -32602,
    false,
    'The body is not JSON.',
  ),
  rate_limited: row(
    'RESOURCE_EXHAUSTED',
    429,
    'rate_limit_error',
    'rate_limit_exceeded',
    -32002,
    true,
    'Too many requests; try again later.',
  ),
  quota_exceeded: row(
    'RESOURCE_EXHAUSTED',
    429,
    'insufficient_quota',
    'insufficient_quota',
    -32002,
    false,
    'The quota at the vendor is spent.',
  ),
  queue_full: row(
    'RESOURCE_EXHAUSTED',
    503,
    'server_error',
    'overloaded',
    -32002,
    true,
    'The plugin or the host works on as much as it can.',
  ),
  out_of_memory: row(
    'RESOURCE_EXHAUSTED',
    503,
    'server_error',
    'out_of_memory',
    -32002,
    false,
    'The model does not fit into memory.',
  ),
  model_loading: row(
    'UNAVAILABLE',
    503,
    'server_error',
    'model_loading',
    -32002,
    true,
    'The model is being loaded.',
  ),
  model_unavailable: row(
    'FAILED_PRECONDITION',
    503,
    'server_error',
    'model_unavailable',
    -32002,
    false,
    'The model is not loaded or cannot be loaded.',
  ),
  plugin_unavailable: row(
    'UNAVAILABLE',
    503,
    'server_error',
    'plugin_unavailable',
    -32002,
    true,
    'The plugin is starting, draining or has crashed.',
  ),
  upstream_unavailable: row(
    'UNAVAILABLE',
    503,
    'server_error',
    'upstream_unavailable',
    -32002,
    true,
    'The runtime behind the plugin does not answer.',
  ),
  upstream_error: row(
    'INTERNAL',
    502,
    'server_error',
    'upstream_error',
    -32603,
    false,
    'The runtime behind the plugin failed.',
  ),
  upstream_unauthenticated: row(
    'UNAUTHENTICATED',
    502,
    'server_error',
    'upstream_unauthenticated',
    -32603,
    false,
    'The vendor refused the credential of the plugin.',
  ),
  first_token_timeout: row(
    'DEADLINE_EXCEEDED',
    504,
    'timeout',
    'first_token_timeout',
    -32603,
    true,
    'The first token did not come in time.',
  ),
  idle_timeout: row(
    'DEADLINE_EXCEEDED',
    504,
    'timeout',
    'idle_timeout',
    -32603,
    true,
    'The answer stopped for too long.',
  ),
  total_timeout: row(
    'DEADLINE_EXCEEDED',
    504,
    'timeout',
    'total_timeout',
    -32603,
    true,
    'The request took longer than allowed.',
  ),
  content_filtered: row(
    'FAILED_PRECONDITION',
    400,
    invalid,
    'content_filter',
    -32602,
    false,
    'A filter of the vendor refused the request.',
  ),
  cancelled: row(
    'CANCELLED',
    499,
    'server_error',
    'cancelled',
    -32603,
    true,
    'The caller left or did not read the answer, or the host is shutting down.',
  ),
  truncated: row(
    'DATA_LOSS',
    502,
    'server_error',
    'stream_truncated',
    -32603,
    true,
    'The answer was cut before its end.',
  ),
  internal: row(
    'INTERNAL',
    500,
    'server_error',
    'internal_error',
    -32603,
    false,
    'A fault of the host or of a plugin; the log has the details under the request id.',
  ),
} as const satisfies Record<string, ErrorRow>;

/** A kind of error. */
export type ErrorKind = keyof typeof errorTable;

function row(
  grpc: string,
  http: number,
  openaiType: string,
  openaiCode: string | null,
  mcp: number,
  retryable: boolean,
  meaning: string,
): ErrorRow {
  return { grpc, http, openaiType, openaiCode, mcp, retryable, meaning };
}
