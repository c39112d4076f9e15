import { Agent, fetch, type Response } from 'undici';
import type { Logger } from '../../telemetry/logger.js';
import type { Clock } from './clock.js';
import { eventData } from './event-stream.js';

/** What the link needs. */
export interface HostLinkOptions {
  readonly url: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly headers: Readonly<Record<string, string>>;
  /** Takes a message for the client; resolves at the client's pace. */
  deliver(message: unknown): Promise<unknown>;
}

type Id = string | number;
interface Message {
  readonly id?: Id;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
}
interface Open {
  readonly modern: boolean;
  readonly endless: boolean;
  cancelled: boolean;
  readonly abort: AbortController;
  /** Resolves when the host has begun to answer, so that a cancel cannot overtake its request. */
  readonly begun: Promise<void>;
}

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const INTERNAL = -32603;
const MAX_OPEN = 4096;
const CLOSE_MS = 1000;
const RECONNECT_MS = 1000;

/** Carries JSON-RPC messages to a host over Streamable HTTP, in both eras. */
export class HostLink {
  // Answers may take as long as the host allows; its keep-alives show that it is there.
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 120_000, connect: { timeout: 5000 } });
  readonly #open = new Map<Id, Open>();
  readonly #lifetime = new AbortController();
  #waiting: (() => void)[] = [];
  /** Notifications on their way: a client may close its input right after one. */
  #posting = 0;
  #session: string | undefined;
  #version: string | undefined;
  #initialize: Message | undefined;
  #reviving: Promise<boolean> | undefined;
  #listening = false;

  constructor(private readonly options: HostLinkOptions) {}

  /** Sends a message of the client on its way. What comes back goes to `deliver`. */
  send(raw: unknown): void {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      this.options.logger.warn({ reason: 'not a JSON-RPC message' }, 'ignored a line on standard input');
      return;
    }
    const message = raw as Message;
    if (message.method !== undefined && message.id !== undefined) void this.#request(message, message.id);
    else void this.#notify(message);
  }

  /** Resolves when everything but subscriptions is answered. */
  async idle(): Promise<void> {
    while (this.#posting > 0 || [...this.#open.values()].some((open) => !open.endless))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the session at the host and whatever is open. */
  async close(): Promise<void> {
    this.#lifetime.abort();
    for (const open of this.#open.values()) open.abort.abort();
    if (this.#session !== undefined) {
      const signal = AbortSignal.timeout(CLOSE_MS);
      const ended = await this.#fetch('DELETE', undefined, {}, signal).catch(() => undefined);
      await ended?.body?.cancel().catch(() => undefined);
    }
    await this.#agent.destroy();
  }

  async #request(message: Message, id: Id): Promise<void> {
    if (this.#open.size >= MAX_OPEN) {
      await this.#fail(id, `more than ${MAX_OPEN} requests are open`);
      return;
    }
    const modern = versionOf(message) !== undefined;
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const abort = new AbortController();
    const endless = message.method === 'subscriptions/listen';
    const open: Open = { modern, endless, cancelled: false, abort, begun };
    this.#open.set(id, open);
    try {
      const response = await this.#post(message, abort.signal);
      begin();
      if (message.method === 'initialize' && response.ok) this.#remember(message, response);
      if (!(await this.#relay(response, id)) && !open.cancelled && !abort.signal.aborted)
        await this.#fail(id, `the host ended the answer before it was whole (HTTP ${response.status})`);
    } catch (thrown) {
      // What the client has cancelled gets no answer.
      if (!open.cancelled && !abort.signal.aborted) await this.#fail(id, reasonOf(thrown, this.options.url));
    } finally {
      begin();
      this.#open.delete(id);
      this.#wake();
    }
  }

  async #notify(message: Message): Promise<void> {
    this.#posting += 1;
    try {
      if (message.method === 'notifications/cancelled') {
        const open = this.#open.get(message.params?.requestId as Id);
        // Over HTTP the current revision cancels by closing the stream.
        if (open?.modern === true) {
          open.abort.abort();
          return;
        }
        await open?.begun;
        // The host ends the stream without an answer: that is as it should be.
        if (open) open.cancelled = true;
      }
      const response = await this.#post(message, this.#lifetime.signal);
      await response.body?.cancel();
      // Nothing more may come of a request that is cancelled.
      if (message.method === 'notifications/cancelled')
        this.#open.get(message.params?.requestId as Id)?.abort.abort();
      if (message.method === 'notifications/initialized') void this.#listen();
    } catch (thrown) {
      this.options.logger.debug({ err: thrown }, 'a notification did not reach the host');
    } finally {
      this.#posting -= 1;
      this.#wake();
    }
  }

  /** Posts, and once more with a new session when the host has forgotten the old one. */
  async #post(message: Message, signal: AbortSignal): Promise<Response> {
    const used = this.#session;
    const send = (): Promise<Response> => this.#fetch('POST', message, headersOf(message), signal);
    const response = await send();
    if (response.status !== 404 || used === undefined || versionOf(message) !== undefined) return response;
    if (this.#session === used) {
      this.#reviving ??= this.#revive().finally(() => (this.#reviving = undefined));
      if (!(await this.#reviving)) return response;
    }
    await response.body?.cancel();
    return send();
  }

  async #revive(): Promise<boolean> {
    if (this.#initialize === undefined) return false;
    this.#session = undefined;
    const signal = this.#lifetime.signal;
    const response = await this.#fetch('POST', { ...this.#initialize, id: 'bridge' }, {}, signal);
    if (!response.ok) return false;
    this.#remember(this.#initialize, response);
    await response.text();
    const told = await this.#fetch(
      'POST',
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      {},
      signal,
    );
    await told.body?.cancel();
    return told.ok;
  }

  #remember(message: Message, response: Response): void {
    this.#initialize = message;
    this.#session = response.headers.get('mcp-session-id') ?? undefined;
  }

  #fetch(
    method: string,
    body: unknown,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Response> {
    const initializing = (body as Message | undefined)?.method === 'initialize';
    const session = headers['mcp-protocol-version'] === undefined && !initializing;
    return fetch(this.options.url, {
      method,
      dispatcher: this.#agent,
      signal,
      headers: {
        ...this.options.headers,
        accept: 'application/json, text/event-stream',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(session && this.#session !== undefined ? { 'mcp-session-id': this.#session } : {}),
        ...(session && this.#version !== undefined ? { 'mcp-protocol-version': this.#version } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Delivers every message of an answer; true when the response to `id` was among them. */
  async #relay(response: Response, id: Id | undefined): Promise<boolean> {
    if (response.body === null) return false;
    const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
    let answered = false;
    const take = async (text: string): Promise<void> => {
      const message = JSON.parse(text) as Message & { id?: Id | null; error?: unknown };
      const isAnswer = message.method === undefined;
      // A refusal of the endpoint itself does not know the id.
      const whole = isAnswer && message.id == null && id !== undefined ? { ...message, id } : message;
      if (isAnswer) {
        answered = true;
        this.#version = negotiated(message) ?? this.#version;
      }
      await this.options.deliver(whole);
    };
    if (!isStream) {
      const text = await response.text();
      if (text !== '') await take(text).catch(() => undefined);
      return answered;
    }
    for await (const data of eventData(response.body)) await take(data);
    return answered;
  }

  /** The stream on which a host of the older revisions tells of changes; opened again when it breaks. */
  async #listen(): Promise<void> {
    if (this.#listening) return;
    this.#listening = true;
    const { signal } = this.#lifetime;
    while (!signal.aborted) {
      try {
        const response = await this.#fetch('GET', undefined, {}, signal);
        if (response.status === 405) return;
        if (response.ok) await this.#relay(response, undefined);
        else await response.body?.cancel();
      } catch {
        // Tried again below.
      }
      if (!this.#lifetime.signal.aborted) await this.#pause(RECONNECT_MS);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const callOff = this.options.clock.after(ms, resolve);
      this.#lifetime.signal.addEventListener('abort', () => (callOff(), resolve()), { once: true });
    });
  }

  async #fail(id: Id, message: string): Promise<void> {
    await this.options.deliver({ jsonrpc: '2.0', id, error: { code: INTERNAL, message } });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The revision that a message of the current kind claims. */
function versionOf(message: Message): string | undefined {
  const meta = message.params?._meta as Record<string, unknown> | undefined;
  const version = meta?.[VERSION_KEY];
  return typeof version === 'string' ? version : undefined;
}

/** The headers that repeat a message of the current kind for routers on the way. */
function headersOf(message: Message): Record<string, string> {
  const version = versionOf(message);
  if (version === undefined || message.method === undefined) return {};
  const name = message.params?.name ?? message.params?.uri;
  const named = ['tools/call', 'prompts/get', 'resources/read'].includes(message.method);
  return {
    'mcp-protocol-version': version,
    'mcp-method': message.method,
    ...(named && typeof name === 'string' ? { 'mcp-name': headerValue(name) } : {}),
  };
}

function headerValue(text: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?')) return text;
  return `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

function negotiated(message: Message): string | undefined {
  const version = (message.result as { protocolVersion?: unknown } | undefined)?.protocolVersion;
  return typeof version === 'string' ? version : undefined;
}

function reasonOf(thrown: unknown, url: string): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  return `the host at ${url} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`;
}
