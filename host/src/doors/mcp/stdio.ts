import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { parseJSONRPCMessage, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Logger } from '../../telemetry/logger.js';
import type { McpCatalog } from './catalog.js';
import { systemClock, type Clock } from './clock.js';
import { Dispatcher } from './dispatcher.js';
import type { Exchange } from './exchange.js';
import { LinePipe } from './line-pipe.js';
import { defaultLimits, type McpLimits } from './limits.js';
import { createModernServer } from './modern-server.js';
import { guardStdout, unguarded } from './stdout-guard.js';

/** What serving on standard input and output needs. */
export interface McpStdioOptions {
  readonly catalog: McpCatalog;
  readonly logger: Logger;
  /** Default: those of the process. Standard output of the process is then guarded against other writers. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  /** Ends the service at once. */
  readonly signal?: AbortSignal;
  /** How long calls may go on after the end of the input. */
  readonly graceMs?: number;
  readonly limits?: Partial<McpLimits>;
  readonly clock?: Clock;
}

/**
 * Serves every revision on one pipe; the first message decides which. Resolves when the
 * client has closed the input and calls under way are answered, when the client is gone,
 * or when the signal fires: the caller then exits with 0.
 */
export async function serveMcpStdio(options: McpStdioOptions): Promise<void> {
  const { catalog, logger, signal } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const clock = options.clock ?? systemClock;
  const guard =
    options.stdout === undefined ? guardStdout(process.stdout, process.stderr) : unguarded(options.stdout);
  const dispatcher = new Dispatcher({ catalog, logger, limits, clock });
  const transport = new PipeTransport(options.stdin ?? process.stdin, guard.stream, {
    maxLineBytes: limits.bodyBytes,
    graceMs: options.graceMs ?? 5000,
    clock,
    logger,
  });
  const exchange = transport.exchange(limits);
  const stops: (() => void)[] = [];
  const handle = serveStdio(
    ({ era }) => {
      const server = createModernServer(dispatcher, era, () => exchange);
      stops.push(
        catalog.onToolsChanged(() => void server.sendToolListChanged().catch(() => undefined)),
        catalog.onResourcesChanged(() => void server.sendResourceListChanged().catch(() => undefined)),
      );
      return server;
    },
    {
      transport,
      maxSubscriptions: limits.subscriptions,
      onerror: (error) => logger.debug({ err: error }, 'MCP on stdio'),
    },
  );
  const onAbort = (): void => transport.finish();
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted === true) onAbort();
  try {
    await transport.finished;
    await handle.close().catch(() => undefined);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    for (const stop of stops) stop();
    transport.leave();
    guard.restore();
  }
}

interface PipeTransportOptions {
  readonly maxLineBytes: number;
  readonly graceMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The pipe as the SDK wants it. Its own transport drops answers under way when the input
 * ends; this one waits for them, and says when everything is done.
 */
class PipeTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly finished: Promise<void>;
  readonly #pipe: LinePipe;
  readonly #abort = new AbortController();
  /** Requests that are not answered; subscriptions never are, so they do not count. */
  readonly #open = new Set<string | number>();
  #resolve: () => void = () => undefined;
  #draining = false;
  #callOffGrace: (() => void) | undefined;

  constructor(
    input: Readable,
    output: Writable,
    private readonly options: PipeTransportOptions,
  ) {
    this.finished = new Promise((resolve) => (this.#resolve = resolve));
    this.#pipe = new LinePipe(
      input,
      output,
      {
        onMessage: (message) => this.#receive(message),
        onGarbage: (reason) => options.logger.warn({ reason }, 'ignored a line on standard input'),
        onEnd: () => this.#drain(),
        onBroken: (error) => {
          options.logger.debug({ err: error }, 'the client is gone');
          this.finish();
        },
      },
      options.maxLineBytes,
    );
  }

  start(): Promise<void> {
    this.#pipe.start();
    return Promise.resolve();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    // Nobody is there to hear of a failure: onBroken ends the service.
    await this.#pipe.send(message).catch(() => undefined);
    if (!('method' in message) && message.id !== undefined) this.#settle(message.id);
  }

  close(): Promise<void> {
    this.finish();
    this.#pipe.close();
    this.onclose?.();
    return Promise.resolve();
  }

  /** Ends the service without waiting for anything. */
  finish(): void {
    this.#callOffGrace?.();
    this.#resolve();
  }

  /** Nobody reads any more. */
  leave(): void {
    this.#abort.abort(new Error('the client has left'));
    this.#pipe.close();
  }

  /** The way back to the one client of this pipe. */
  exchange(limits: McpLimits): Exchange {
    const pipe = this.#pipe;
    return {
      get requestId() {
        return randomUUID();
      },
      signal: this.#abort.signal,
      outstanding: () => Math.min(pipe.outstanding, limits.outstandingBytes),
      sent: () => undefined,
      kill: () => this.finish(),
    };
  }

  #receive(raw: unknown): void {
    let message: JSONRPCMessage;
    try {
      message = parseJSONRPCMessage(raw);
    } catch {
      this.options.logger.warn({ reason: 'not a JSON-RPC message' }, 'ignored a line on standard input');
      return;
    }
    if ('method' in message) {
      if ('id' in message) {
        if (message.method !== 'subscriptions/listen') this.#open.add(message.id);
      } else if (message.method === 'notifications/cancelled') {
        const { requestId } = (message.params ?? {}) as { requestId?: string | number };
        if (requestId !== undefined) this.#settle(requestId);
      }
    }
    this.onmessage?.(message);
  }

  #settle(id: string | number): void {
    this.#open.delete(id);
    if (this.#draining && this.#open.size === 0) this.finish();
  }

  /** The input has ended: what is open may still be answered for a while. */
  #drain(): void {
    this.#draining = true;
    if (this.#open.size === 0) this.finish();
    else this.#callOffGrace = this.options.clock.after(this.options.graceMs, () => this.finish(), true);
  }
}
