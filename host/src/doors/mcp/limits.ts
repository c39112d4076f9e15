/** Bounds of the MCP door. */
export interface McpLimits {
  /** Largest request body, bytes. */
  readonly bodyBytes: number;
  /** A body must be whole within this time. */
  readonly bodyMs: number;
  /** Deepest nesting of a request body. */
  readonly bodyDepth: number;
  /** Most members of all objects of a request body: each costs validators some microseconds. */
  readonly bodyMembers: number;
  /** Sessions of clients up to revision 2025-11-25. */
  readonly sessions: number;
  /** A session without a request or an open stream ends after this time. */
  readonly sessionIdleMs: number;
  /** Open `subscriptions/listen` streams. */
  readonly subscriptions: number;
  /** Longest call. */
  readonly callMs: number;
  /** Bytes waiting for a slow reader of one call from which on progress is left out. */
  readonly progressBytes: number;
  /** Bytes waiting for a reader at which the connection is given up. */
  readonly outstandingBytes: number;
  /** A reader that takes nothing for this long is given up. */
  readonly stallMs: number;
  /** Deltas are joined for this long … */
  readonly progressFlushMs: number;
  /** … or until they are this long. */
  readonly progressFlushBytes: number;
  /** A call that reports nothing sends an empty progress after this time, and again. */
  readonly heartbeatMs: number;
  /** A comment on a quiet event stream after this time. */
  readonly keepAliveMs: number;
  /** Entries on a page of a list. */
  readonly pageSize: number;
}

/** Bounds that suit one machine. */
export const defaultLimits: McpLimits = {
  bodyBytes: 16 * 1024 * 1024,
  bodyMs: 30_000,
  bodyDepth: 128,
  bodyMembers: 50_000,
  sessions: 1000,
  sessionIdleMs: 10 * 60_000,
  subscriptions: 1024,
  callMs: 10 * 60_000,
  progressBytes: 256 * 1024,
  outstandingBytes: 64 * 1024 * 1024,
  stallMs: 60_000,
  progressFlushMs: 50,
  progressFlushBytes: 1024,
  heartbeatMs: 15_000,
  keepAliveMs: 15_000,
  pageSize: 200,
};
