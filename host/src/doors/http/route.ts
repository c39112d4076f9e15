import type { Door } from '../../request-context.js';
import type { Exchange } from './exchange.js';

/** One address of the host. */
export interface Route {
  readonly door: Door;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** As Express 5 writes paths: `:name` is one segment, `*name` any number of them. */
  readonly path: string;
  /** Matched on the bare listener, before Express, which is loaded for others only. For paths without parameters. */
  readonly hot?: boolean;
  /** Counts against the bounds of requests that are served at the same time. */
  readonly counted?: boolean;
  /** Most keys and entries of lists in a body, where they may be more than usual. */
  readonly maxValues?: number;
  /** Answered without credential and whatever the Host header says: for probes. */
  readonly open?: boolean;
  /** Answered without credential, but only under a Host and Origin that are accepted: for pages without data. */
  readonly keyless?: boolean;
  /** `body` is a JSON object for POST and undefined otherwise. What it throws becomes the answer. */
  handle(
    exchange: Exchange,
    body: unknown,
    params: Readonly<Record<string, string>>,
    query: URLSearchParams,
  ): void | Promise<void>;
}
