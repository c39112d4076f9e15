import type { Readable, Writable } from 'node:stream';
import type { ConfigOrigin } from '../config/config-source.js';
import type { Config } from '../config/schema.js';

/** A change worth a line on the terminal. */
export interface HostEvent {
  readonly kind: 'plugin' | 'model' | 'configuration';
  readonly name: string;
  /** `starting`, `loading`, `active`, `ready`, `backoff`, `failed`, … */
  readonly state: string;
  /** 0 to 1 where it is known. */
  readonly progress?: number;
  /** Why, in words for people. */
  readonly message?: string;
}

/** What the commands need of a host in this process. `Host` of host.ts fits. */
export interface HostPort {
  /** Where it listens; known once `start` has resolved. */
  readonly address: { readonly host: string; readonly port: number; readonly url: string };
  /** Listens and begins to start plugins. Does not wait for models. Rejects with `code: 'EADDRINUSE'`, … */
  start(): Promise<void>;
  /** Drains for at most `graceMs` milliseconds and ends everything. Idempotent. */
  close(graceMs?: number): Promise<void>;
  /** Reads and takes the configuration again. */
  readonly reload?: (why: string) => Promise<unknown>;
  /** As `GET /mcp/v1/models` answers. */
  listModels(): Promise<unknown>;
  /** Reports changes; returns how to stop that. */
  onStatus?(listener: (event: HostEvent) => void): () => void;
  /** Loads what `serveStdio` needs, for example while plugins start. */
  prepareStdio?(): Promise<void>;
  /** Speaks MCP on a pair of streams until the input ends. Without it the commands bridge to `/mcp`. */
  serveStdio?(streams: McpStreams): Promise<void>;
}

/** One MCP conversation on streams. */
export interface McpStreams {
  readonly input: Readable;
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/** What the composition root is given besides the configuration. */
export interface HostDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the configuration was read and can be read again. */
  readonly origin?: ConfigOrigin;
}

/** The composition root. */
export type CreateHost = (config: Config, deps: HostDeps) => Promise<HostPort>;
