import { errorTable, type ErrorKind, type ErrorRow } from './error-table.js';

/** More about a GatewayError. */
export interface GatewayErrorDetails {
  /** The field that is wrong, as the caller wrote it. */
  readonly param?: string;
  /** When to try again, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The plugin that it comes from. */
  readonly plugin?: string;
  /** The plugin refused before it began to work: another instance may take the request. */
  readonly notStarted?: boolean;
  readonly cause?: unknown;
}

/** An error that a caller may see: its kind decides how it looks at every door. */
export class GatewayError extends Error {
  readonly kind: ErrorKind;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly plugin: string | undefined;
  readonly notStarted: boolean;

  constructor(kind: ErrorKind, message: string, details: GatewayErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GatewayError';
    this.kind = kind;
    this.param = details.param;
    this.retryAfterMs = details.retryAfterMs;
    this.plugin = details.plugin;
    this.notStarted = details.notStarted ?? false;
  }

  get row(): ErrorRow {
    return errorTable[this.kind];
  }

  /** Whatever was thrown as a GatewayError; what nobody meant becomes `internal` without its text. */
  static from(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) return thrown;
    return new GatewayError('internal', 'something went wrong inside the host; the log has the details', {
      cause: thrown,
    });
  }
}
