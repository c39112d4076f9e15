import { Agent, fetch, type Response } from 'undici';
import { requestHeaders, versionOf } from './bridge-headers.js';

/** A JSON-RPC message as far as a bridge looks at it. */
export interface BridgeMessage {
  readonly jsonrpc?: unknown;
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
  readonly error?: unknown;
}

const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };
const CONNECT_MS = 5000;
const REVIVE_MS = 30_000;
const END_MS = 1000;

/**
 * The requests of a bridge to the `/mcp` of one host, and the session that the
 * older revisions want. A host that has forgotten it, because it was started
 * again for example, gets the same handshake once more, without the client's notice.
 */
export class BridgeSession {
  // Answers may take as long as the host allows; its keep-alives show that it is there.
  readonly #agent = new Agent({
    headersTimeout: 0,
    bodyTimeout: 120_000,
    connect: { timeout: CONNECT_MS },
  });
  #id: string | undefined;
  #version: string | undefined;
  #handshake: BridgeMessage | undefined;
  #reviving: Promise<boolean> | undefined;

  constructor(
    private readonly url: string,
    private readonly headers: Readonly<Record<string, string>>,
    /** Ends everything but the farewell. */
    private readonly lifetime: AbortSignal,
  ) {}

  /** Posts a message. Rejects when the host does not answer. */
  async post(message: BridgeMessage, signal: AbortSignal): Promise<Response> {
    const sessionless = versionOf(message) !== undefined || message.method === 'initialize';
    if (sessionless) return this.#fetch('POST', message, signal);
    // Whoever comes while the session is renewed takes the new one.
    await this.#reviving?.catch(() => undefined);
    const used = this.#id;
    const response = await this.#fetch('POST', message, signal);
    if (response.status !== 404 || used === undefined) return response;
    if (this.#id === used) {
      this.#reviving ??= this.#revive().finally(() => (this.#reviving = undefined));
    }
    // One of several that learn of it renews; who learns late finds it done.
    if ((await this.#reviving) === false) return response;
    await response.body?.cancel();
    return this.#fetch('POST', message, signal);
  }

  /** Opens the stream on which a host of the older revisions speaks unasked. */
  listen(): Promise<Response> {
    return this.#fetch('GET', undefined, this.lifetime);
  }

  /** Remembers a handshake of the client that the host has accepted. */
  begin(handshake: BridgeMessage, response: Response): void {
    this.#handshake = handshake;
    this.#id = response.headers.get('mcp-session-id') ?? undefined;
  }

  /** Remembers the revision that host and client speak. */
  speak(version: string): void {
    this.#version = version;
  }

  /** Tells the host that the session is over. It finds out by itself when that fails. */
  async end(): Promise<void> {
    if (this.#id !== undefined) {
      const ended = await this.#fetch('DELETE', undefined, AbortSignal.timeout(END_MS)).catch(
        () => undefined,
      );
      await ended?.body?.cancel().catch(() => undefined);
    }
    await this.#agent.destroy();
  }

  async #revive(): Promise<boolean> {
    const handshake = this.#handshake;
    if (handshake === undefined) return false;
    const signal = AbortSignal.any([this.lifetime, AbortSignal.timeout(REVIVE_MS)]);
    const response = await this.#fetch('POST', { ...handshake, id: 'bridge' }, signal);
    await response.text();
    if (!response.ok) return false;
    this.begin(handshake, response);
    const told = await this.#fetch('POST', INITIALIZED, signal);
    await told.body?.cancel();
    return told.ok;
  }

  #fetch(method: string, message: BridgeMessage | undefined, signal: AbortSignal): Promise<Response> {
    const modern = message !== undefined && versionOf(message) !== undefined;
    const bare = modern || message?.method === 'initialize';
    return fetch(this.url, {
      method,
      dispatcher: this.#agent,
      signal,
      headers: {
        ...this.headers,
        accept: 'application/json, text/event-stream',
        ...(message === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bare || this.#id === undefined ? {} : { 'mcp-session-id': this.#id }),
        ...(bare || this.#version === undefined ? {} : { 'mcp-protocol-version': this.#version }),
        ...(modern ? requestHeaders(message) : {}),
      },
      ...(message === undefined ? {} : { body: JSON.stringify(message) }),
    });
  }
}
