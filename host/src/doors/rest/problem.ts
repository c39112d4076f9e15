import type { GatewayError } from '../../errors/gateway-error.js';

/** An error as RFC 9457 shapes it, with the kind beside. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The id of the request. */
  readonly instance: string;
  readonly kind: string;
  /** Trying again may help: by the kind of the error, or because the plugin says when to. */
  readonly retryable: boolean;
  readonly param?: string;
  /** Seconds. */
  readonly retry_after?: number;
}

/** An error in the words of the REST door. */
export function problem(error: GatewayError, requestId: string): Problem {
  const { row } = error;
  return {
    type: `urn:outrigger:error:${error.kind}`,
    title: row.meaning,
    status: row.http,
    detail: error.message,
    instance: requestId,
    kind: error.kind,
    retryable: row.retryable || error.retryAfterMs !== undefined,
    ...(error.param === undefined ? {} : { param: error.param }),
    ...(error.retryAfterMs === undefined ? {} : { retry_after: error.retryAfterMs / 1000 }),
  };
}
