import type { Readable, Writable } from 'node:stream';
import { messageOf, type HostClient } from './host-client.js';
import { isRequest, parseMessages, rpcCodes, rpcError, type RpcMessage } from './json-rpc.js';
import { readLines } from './lines.js';
import { reasonOf } from './reason.js';
import { readEvents } from './sse.js';

/** What a bridge joins. */
export interface BridgeOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly client: HostClient;
  /** Ends the bridge at once. */
  readonly signal: AbortSignal;
  /** How long running requests may go on after the input has ended, in milliseconds. */
  readonly lingerMs: number;
  readonly maxLineBytes: number;
}

const maxInFlight = 1024;
const versionKey = 'io.modelcontextprotocol/protocolVersion';
// The parameter that names the target of a call, repeated in a header by revisions without sessions.
const nameParameters: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

/**
 * Carries MCP between a pair of streams (one message on each line) and the
 * `/mcp` of a running host, for revisions with sessions and without. Resolves
 * when the input has ended and the running requests are done or out of time.
 */
export async function bridgeMcp(options: BridgeOptions): Promise<void> {
  const bridge = new McpBridge(options);
  await bridge.run();
}

class McpBridge {
  readonly #options: BridgeOptions;
  readonly #ended = new AbortController();
  readonly #inFlight = new Map<string | number, AbortController>();
  readonly #work = new Set<Promise<void>>();
  #session: string | undefined;
  #version: string | undefined;
  #initialize: RpcMessage | undefined;
  #renewal: Promise<void> | undefined;
  #listening: AbortController | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#ended.abort(), { once: true });
    if (options.signal.aborted) this.#ended.abort();
  }

  async run(): Promise<void> {
    const { input, output, lingerMs } = this.#options;
    // A client that closed its end wants nothing more.
    output.on('error', () => this.#ended.abort());
    const reading = this.#read().catch(() => undefined);
    await Promise.race([reading, aborted(this.#ended.signal)]);
    this.#listening?.abort();
    if (!this.#ended.signal.aborted && this.#work.size > 0) {
      const timer = new AbortController();
      const linger = setTimeout(() => timer.abort(), lingerMs);
      await Promise.race([
        Promise.allSettled(this.#work),
        aborted(timer.signal),
        aborted(this.#ended.signal),
      ]);
      clearTimeout(linger);
    }
    this.#ended.abort();
    input.destroy();
    await this.#leave();
  }

  async #read(): Promise<void> {
    for await (const line of readLines(this.#options.input, this.#options.maxLineBytes)) {
      if (this.#ended.signal.aborted) return;
      const messages = 'text' in line ? parseMessages(line.text) : undefined;
      if (messages === undefined) {
        const reason = 'text' in line ? 'this line is no JSON-RPC message' : 'this line is too long';
        await this.#write(rpcError(null, rpcCodes.parseError, reason));
        continue;
      }
      for (const message of messages) await this.#accept(message);
    }
  }

  async #accept(message: RpcMessage): Promise<void> {
    if (message.method === 'initialize') this.#initialize = message;
    if (this.#cancels(message)) return;
    if (isRequest(message) && this.#inFlight.size >= maxInFlight) {
      await this.#write(
        rpcError(message.id, rpcCodes.internalError, `more than ${maxInFlight} requests are running`),
      );
      return;
    }
    const work = this.#carry(message);
    // A subscription is never answered, so nobody waits for it at the end.
    if (message.method !== 'subscriptions/listen') this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
    // Requests run side by side. What others depend on keeps its place: the
    // handshake, and notifications and answers, which are accepted at once.
    if (!isRequest(message) || message.method === 'initialize') await work;
  }

  /** Without sessions, cancelling over HTTP means closing the answer of the request. */
  #cancels({ method, params }: RpcMessage): boolean {
    const id = params?.['requestId'];
    if (method !== 'notifications/cancelled' || this.#session !== undefined) return false;
    if (typeof id !== 'string' && typeof id !== 'number') return false;
    this.#inFlight.get(id)?.abort();
    return true;
  }

  async #carry(message: RpcMessage): Promise<void> {
    const controller = new AbortController();
    const request = isRequest(message);
    if (request) this.#inFlight.set(message.id, controller);
    const signal = AbortSignal.any([
      controller.signal,
      this.#ended.signal,
      ...(request ? [] : [AbortSignal.timeout(30_000)]),
    ]);
    try {
      await this.#post(message, signal, true);
      if (message.method === 'notifications/initialized') this.#listen();
    } catch (error) {
      if (request && !signal.aborted) {
        const text = `the host at ${this.#options.client.url} does not answer (${reasonOf(error)})`;
        await this.#write(rpcError(message.id, rpcCodes.internalError, text));
      }
    } finally {
      if (request && this.#inFlight.get(message.id) === controller) this.#inFlight.delete(message.id);
    }
  }

  async #post(message: RpcMessage, signal: AbortSignal, mayRenew: boolean): Promise<void> {
    const used = this.#session;
    const response = await this.#options.client.raw({
      method: 'POST',
      path: '/mcp',
      headers: { ...this.#headers(message), 'content-type': 'application/json' },
      body: JSON.stringify(message),
      signal,
    });
    const session = response.headers['mcp-session-id'];
    if (message.method === 'initialize' && typeof session === 'string') this.#session = session;
    const type = String(response.headers['content-type'] ?? '');
    if (response.statusCode < 300 && type.startsWith('text/event-stream')) {
      let answered = false;
      for await (const { data } of readEvents(response.body as AsyncIterable<Uint8Array>)) {
        for (const part of parseMessages(data) ?? []) {
          answered ||= part.method === undefined && part.id === message.id;
          await this.#deliver(part, message);
        }
      }
      if (!answered && isRequest(message) && !signal.aborted) throw new Error('the answer broke off');
      return;
    }
    const text = await response.body.text();
    // The host was restarted and has forgotten the session: begin a new one behind the client's back.
    if (response.statusCode === 404 && used !== undefined && message.method !== 'initialize' && mayRenew) {
      // Several requests may learn of it at once; one of them renews.
      if (this.#session === used || this.#renewal !== undefined) await this.#renew();
      return this.#post(message, signal, false);
    }
    const parts = text.trim() === '' ? [] : parseMessages(text);
    const proper = parts?.some((part) => part.result !== undefined || part.error !== undefined) === true;
    const rpc = parts?.filter((part) => part.jsonrpc === '2.0') ?? [];
    if (proper && rpc.length > 0) {
      // Errors may come without an id where the host gave up before reading it.
      for (const part of rpc)
        await this.#deliver(
          isRequest(message) && part.id == null && part.error !== undefined
            ? { ...part, id: message.id }
            : part,
          message,
        );
    } else if (isRequest(message)) {
      await this.#write(rpcError(message.id, rpcCodes.internalError, messageOf(text, response.statusCode)));
    }
  }

  #headers(message: RpcMessage): Record<string, string> {
    const headers: Record<string, string> = { accept: 'application/json, text/event-stream' };
    const meta = message.params?.['_meta'] as Readonly<Record<string, unknown>> | undefined;
    const version = meta?.[versionKey];
    if (typeof version === 'string') {
      headers['mcp-protocol-version'] = headerValue(version);
      if (message.method !== undefined) headers['mcp-method'] = headerValue(message.method);
      const name = message.params?.[nameParameters[message.method ?? ''] ?? ''];
      if (typeof name === 'string') headers['mcp-name'] = headerValue(name);
      return headers;
    }
    if (message.method === 'initialize') return headers;
    if (this.#session !== undefined) headers['mcp-session-id'] = this.#session;
    if (this.#version !== undefined) headers['mcp-protocol-version'] = headerValue(this.#version);
    return headers;
  }

  async #deliver(part: RpcMessage, cause: RpcMessage): Promise<void> {
    if (cause.method === 'initialize' && part.id === cause.id) {
      const version = (part.result as { protocolVersion?: unknown } | undefined)?.protocolVersion;
      if (typeof version === 'string') this.#version = version;
    }
    await this.#write(part);
  }

  #renew(): Promise<void> {
    this.#renewal ??= (async () => {
      this.#session = undefined;
      const hello = this.#initialize;
      if (hello === undefined) return;
      const { client } = this.#options;
      const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(30_000)]);
      const send = async (message: object) => {
        const headers = { ...this.#headers(message), 'content-type': 'application/json' };
        const response = await client.raw({
          method: 'POST',
          path: '/mcp',
          headers,
          body: JSON.stringify(message),
          signal,
        });
        await response.body.dump();
        const session = response.headers['mcp-session-id'];
        if (typeof session === 'string') this.#session = session;
      };
      await send(hello);
      await send({ jsonrpc: '2.0', method: 'notifications/initialized' });
      this.#listen();
    })().finally(() => (this.#renewal = undefined));
    return this.#renewal;
  }

  /** Hears what the host says unasked, as long as the session lives. */
  #listen(): void {
    this.#listening?.abort();
    if (this.#session === undefined) return;
    const stop = new AbortController();
    this.#listening = stop;
    const signal = AbortSignal.any([stop.signal, this.#ended.signal]);
    void (async () => {
      while (!signal.aborted) {
        const headers = { ...this.#headers({}), accept: 'text/event-stream' };
        const response = await this.#options.client.raw({ method: 'GET', path: '/mcp', headers, signal });
        if (response.statusCode !== 200) {
          await response.body.dump();
          return;
        }
        for await (const { data } of readEvents(response.body as AsyncIterable<Uint8Array>)) {
          for (const part of parseMessages(data) ?? []) await this.#write(part);
        }
        await pause(1000, signal);
      }
    })().catch(() => undefined);
  }

  /** Tells the host that the session is over. It finds out by itself if that fails. */
  async #leave(): Promise<void> {
    if (this.#session === undefined) return;
    const response = await this.#options.client
      .raw({ method: 'DELETE', path: '/mcp', headers: this.#headers({}), signal: AbortSignal.timeout(500) })
      .catch(() => undefined);
    await response?.body.dump().catch(() => undefined);
  }

  async #write(message: object): Promise<void> {
    const { output } = this.#options;
    if (this.#ended.signal.aborted || output.destroyed) return;
    if (output.write(`${JSON.stringify(message)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        output.off('drain', done).off('close', done);
        this.#ended.signal.removeEventListener('abort', done);
        resolve();
      };
      output.once('drain', done).once('close', done);
      this.#ended.signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** Header values are ASCII; anything else travels as the specification wants it. */
function headerValue(text: string): string {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text)
    ? text
    : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
