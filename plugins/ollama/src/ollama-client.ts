import { createRequire } from 'node:module';
import { PluginError, readingToTheEnd } from '@outrigger/sdk-plugin';
import type * as Undici from 'undici';
import type { OllamaConfig } from './config.js';
import { Exchange, type Canceller } from './exchange.js';
import { LineSplitter, LineTooLong } from './ndjson.js';

// Its pool and nothing else: all of undici takes five times as many files, and this plugin starts often.
const require = createRequire(import.meta.url);
const Pool = require('undici/lib/dispatcher/pool.js') as typeof Undici.Pool;
const buildConnector = require('undici/lib/core/connect.js') as typeof Undici.buildConnector;

/** Largest answer that is not a stream, in bytes. */
const maxAnswerBytes = 256 * 1024 * 1024;

/** One request to Ollama. */
export interface OllamaCall {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Beginning with a slash, for example "/api/chat". */
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  readonly signal: Canceller;
  /** Longest wait for the first byte, in milliseconds; default `firstByteTimeoutMs`. */
  readonly firstByteTimeoutMs?: number;
  /** Longest silence in the answer, in milliseconds; default `idleTimeoutMs`. */
  readonly idleTimeoutMs?: number;
}

/** Lines of an answer as they come. */
export interface LineStream {
  /** All whole lines that are there, at least one; undefined at the end. Rejects as OllamaClient.json. */
  next(): Promise<string[] | undefined>;
  /** Nothing more is needed and the answer is at its end: keeps the connection. */
  release(): void;
  /** Ends the request wherever it is. */
  cancel(): void;
}

/** Speaks to one Ollama over one pool of connections. Nothing is tried twice. */
export class OllamaClient {
  readonly baseUrl: string;
  readonly #config: OllamaConfig;
  readonly #pool: Undici.Pool;
  readonly #prefix: string;
  readonly #headers: string[];
  #active = 0;

  constructor(config: OllamaConfig) {
    const { baseUrl } = config;
    this.#config = config;
    this.#prefix = baseUrl.pathname === '/' ? '' : baseUrl.pathname;
    this.baseUrl = baseUrl.origin + this.#prefix;
    this.#headers = ['content-type', 'application/json', 'user-agent', 'outrigger-ollama'];
    if (config.apiKey !== undefined) this.#headers.push('authorization', `Bearer ${config.apiKey}`);
    this.#pool = new Pool(baseUrl.origin, {
      connections: config.connections,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connect: readingToTheEnd(buildConnector({ timeout: config.connectTimeoutMs })),
    });
  }

  /** Requests that are on their way, waiting ones included. */
  get active(): number {
    return this.#active;
  }

  /**
   * The whole answer as text. Rejects with a PluginError (UPSTREAM_UNAVAILABLE,
   * UPSTREAM_TIMEOUT, QUEUE_FULL, what `upstreamError` makes of a bad status) or
   * with the reason of the signal.
   */
  async text(call: OllamaCall): Promise<string> {
    const exchange = this.#start(call);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (let read = await exchange.read(); read !== undefined; read = await exchange.read()) {
      for (const chunk of read) {
        bytes += chunk.length;
        chunks.push(chunk);
      }
      if (bytes > maxAnswerBytes) {
        exchange.cancel();
        throw new PluginError('UPSTREAM_ERROR', `Ollama's answer is larger than ${maxAnswerBytes} bytes`);
      }
    }
    const [only] = chunks;
    return (chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)).toString('utf8');
  }

  /** The whole answer, parsed. Rejects as `text`. */
  async json<Answer>(call: OllamaCall): Promise<Answer> {
    return parseObject(await this.text(call)) as Answer;
  }

  /** An answer of JSON lines. */
  lines(call: OllamaCall): LineStream {
    const exchange = this.#start(call);
    const splitter = new LineSplitter();
    let over = false;
    return {
      release: () => exchange.release(),
      cancel: () => exchange.cancel(),
      async next() {
        const lines: string[] = [];
        while (!over) {
          const chunks = await exchange.read();
          if (chunks === undefined) {
            over = true;
            const rest = splitter.rest();
            if (rest !== undefined) lines.push(rest);
            break;
          }
          try {
            for (const chunk of chunks) splitter.push(chunk, lines);
          } catch (error) {
            exchange.cancel();
            if (!(error instanceof LineTooLong)) throw error;
            throw new PluginError('UPSTREAM_ERROR', `Ollama sent ${error.message}`, { cause: error });
          }
          if (lines.length > 0) break;
        }
        return lines.length > 0 ? lines : undefined;
      },
    };
  }

  /** Lets running requests end, takes no new ones. */
  async close(): Promise<void> {
    await this.#pool.close().catch(() => undefined);
  }

  /** Breaks off everything. */
  async destroy(): Promise<void> {
    await this.#pool.destroy().catch(() => undefined);
  }

  #start(call: OllamaCall): Exchange {
    const { connections, maxQueued, firstByteTimeoutMs, idleTimeoutMs } = this.#config;
    if (this.#active >= connections + maxQueued) {
      throw new PluginError(
        'QUEUE_FULL',
        `${this.#active} requests to Ollama are under way already; try again later`,
        {
          retryAfterMs: 1000,
        },
      );
    }
    this.#active += 1;
    const exchange = new Exchange(this.baseUrl, call.signal, () => (this.#active -= 1));
    this.#pool.dispatch(
      {
        path: this.#prefix + call.path,
        method: call.method ?? 'POST',
        headers: this.#headers,
        body: call.body ?? null,
        headersTimeout: call.firstByteTimeoutMs ?? firstByteTimeoutMs,
        bodyTimeout: call.idleTimeoutMs ?? idleTimeoutMs,
      },
      exchange,
    );
    return exchange;
  }
}

/** Parses what must be a JSON object; throws UPSTREAM_ERROR with the beginning of what it is instead. */
export function parseObject(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null) {
    throw new PluginError(
      'UPSTREAM_ERROR',
      `the answer is not a JSON object; is that address Ollama? It begins with ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
  return value;
}
