/** A way into the host. */
export type Door = 'openai' | 'rest' | 'mcp';

/** What belongs to one request on its whole way through the host. */
export interface RequestContext {
  /** Given by the caller in `x-request-id` (when well-formed) or made by the host. */
  readonly requestId: string;
  readonly door: Door;
  /** Aborted when the caller leaves or the host shuts down. */
  readonly signal: AbortSignal;
  /** Parameters that cannot be honoured are an error instead of a warning. */
  readonly strictParams: boolean;
  /** W3C trace context; empty without tracing. */
  readonly traceparent: string;
  /** Milliseconds of the monotonic clock when the request arrived. */
  readonly receivedAt: number;
}
