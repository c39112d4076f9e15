import type { GrpcStatus } from './status.js';

/** Who makes a call and hears its answer, whatever carries both. */
export interface Caller {
  /** The call was given up before anybody listened. */
  readonly cancelled: boolean;
  /** From the call's headers; empty when they have none. */
  readonly requestId: string;
  /** When the caller stops waiting, in milliseconds since the epoch; Infinity when it does not. */
  readonly deadline: number;
  /** Calls `listener` when the caller gives up, or its deadline has passed; possibly after the end too. */
  onCancelled(listener: () => void): void;
  /** Calls `listener` when more may be written; one at a time, undefined for none. */
  onDrain(listener: (() => void) | undefined): void;
  /** Sends an encoded message; false when nothing more should be written before it drains. */
  write(message: Buffer): boolean;
  /** Ends the call with OK. */
  end(): void;
  /** Ends the call with an error. */
  fail(status: GrpcStatus): void;
}

/** What serves a method: it takes the encoded request and answers the caller, exactly once. */
export interface Handler {
  readonly streams: boolean;
  handle(request: Buffer, caller: Caller): void;
}

/** The handlers of a service, by the methods' names in camelCase. */
export type Handlers = Readonly<Record<string, Handler>>;
