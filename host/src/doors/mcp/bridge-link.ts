import type { Response } from 'undici';
import type { Logger } from '../../telemetry/logger.js';
import { versionOf } from './bridge-headers.js';
import { BridgeSession, type BridgeMessage } from './bridge-session.js';
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

interface Open {
  readonly modern: boolean;
  readonly endless: boolean;
  cancelled: boolean;
  readonly abort: AbortController;
  /** Resolves when the host has begun to answer, so that a cancel cannot overtake its request. */
  readonly begun: Promise<void>;
}

const INTERNAL = -32603;
const MAX_OPEN = 4096;
const RECONNECT_MS = 1000;
/** A host that answers as a whole begins late; a cancel goes out all the same after this time. */
const CANCEL_MS = 500;

/** Carries JSON-RPC messages to a host over Streamable HTTP, in both eras. */
export class HostLink {
  readonly #session: BridgeSession;
  readonly #open = new Map<Id, Open>();
  readonly #lifetime = new AbortController();
  #waiting: (() => void)[] = [];
  /** Notifications on their way: a client may close its input right after one. */
  #posting = 0;
  /** What a client sends right behind its handshake waits for it: it needs the session. */
  #handshake: Promise<void> = Promise.resolve();
  #listening = false;

  constructor(private readonly options: HostLinkOptions) {
    this.#session = new BridgeSession(options.url, options.headers, this.#lifetime.signal);
  }

  /** Sends a message of the client, or each of a batch, on its way. What comes back goes to `deliver`. */
  send(raw: unknown): void {
    for (const one of Array.isArray(raw) ? (raw as unknown[]) : [raw]) {
      if (typeof one !== 'object' || one === null || Array.isArray(one)) {
        this.options.logger.warn({ reason: 'not a JSON-RPC message' }, 'ignored a line on standard input');
        continue;
      }
      const message = one as BridgeMessage;
      const { id, method } = message;
      const request = method !== undefined && id !== undefined && id !== null;
      const work = request ? this.#request(message, id) : this.#notify(message);
      if (method === 'initialize' || method === 'notifications/initialized') this.#handshake = work;
    }
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
    await this.#session.end();
  }

  async #request(message: BridgeMessage, id: Id): Promise<void> {
    if (this.#open.size >= MAX_OPEN) {
      await this.#fail(id, `more than ${MAX_OPEN} requests are open`);
      return;
    }
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const abort = new AbortController();
    const open: Open = {
      modern: versionOf(message) !== undefined,
      endless: message.method === 'subscriptions/listen',
      cancelled: false,
      abort,
      begun,
    };
    this.#open.set(id, open);
    const gone = (): boolean => open.cancelled || abort.signal.aborted;
    try {
      await this.#handshake;
      if (abort.signal.aborted) return;
      const response = await this.#session.post(message, abort.signal);
      begin();
      if (message.method === 'initialize' && response.ok) this.#session.begin(message, response);
      const refusal = await this.#relay(response, id);
      if (refusal !== undefined && !gone()) await this.#fail(id, refusal);
    } catch (thrown) {
      // What the client has cancelled gets no answer.
      if (!gone()) await this.#fail(id, reasonOf(thrown, this.options.url));
    } finally {
      begin();
      if (this.#open.get(id) === open) this.#open.delete(id);
      this.#wake();
    }
  }

  async #notify(message: BridgeMessage): Promise<void> {
    if (this.#posting >= MAX_OPEN) {
      this.options.logger.warn(
        { method: message.method },
        'dropped a notification: too many are on their way',
      );
      return;
    }
    this.#posting += 1;
    try {
      const cancels = message.method === 'notifications/cancelled';
      const open = cancels ? this.#open.get(message.params?.requestId as Id) : undefined;
      if (open?.modern === true) {
        // Over HTTP the current revision cancels by closing the stream.
        open.abort.abort();
        return;
      }
      await this.#handshake;
      if (open !== undefined) await Promise.race([open.begun, this.#pause(CANCEL_MS)]);
      // The host ends the stream without an answer: that is as it should be.
      if (open !== undefined) open.cancelled = true;
      const response = await this.#session.post(message, this.#lifetime.signal);
      await response.body?.cancel();
      // Nothing more may come of a request that is cancelled.
      open?.abort.abort();
      if (message.method === 'notifications/initialized') void this.#listen();
    } catch (thrown) {
      this.options.logger.debug({ err: thrown }, 'a notification did not reach the host');
    } finally {
      this.#posting -= 1;
      this.#wake();
    }
  }

  /** Delivers every message of an answer. Returns why it holds no response to `id`, or undefined. */
  async #relay(response: Response, id: Id | undefined): Promise<string | undefined> {
    const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
    const seen = { answered: false };
    const take = async (message: BridgeMessage): Promise<void> => {
      const isAnswer = message.method === undefined;
      // A refusal of the endpoint itself does not know the id.
      const whole = isAnswer && message.id == null && id !== undefined ? { ...message, id } : message;
      if (isAnswer) {
        seen.answered = true;
        const version = (message.result as { protocolVersion?: unknown } | undefined)?.protocolVersion;
        if (typeof version === 'string') this.#session.speak(version);
      }
      await this.options.deliver(whole);
    };
    if (isStream && response.body !== null) {
      for await (const data of eventData(response.body)) {
        const message = messageOf(data);
        if (message !== undefined) await take(message);
      }
      return seen.answered ? undefined : 'the host ended the answer before it was whole';
    }
    const message = messageOf(await response.text());
    if (message !== undefined && (message.method !== undefined || 'result' in message || 'error' in message))
      await take(message);
    return seen.answered ? undefined : `the host answered with status ${response.status} and no message`;
  }

  /** The stream on which a host of the older revisions tells of changes; opened again when it breaks. */
  async #listen(): Promise<void> {
    if (this.#listening) return;
    this.#listening = true;
    const { signal } = this.#lifetime;
    while (!signal.aborted) {
      try {
        const response = await this.#session.listen();
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
      const { signal } = this.#lifetime;
      const done = (): void => {
        callOff();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const callOff = this.options.clock.after(ms, done);
      signal.addEventListener('abort', done, { once: true });
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

/** A message of the host; undefined for anything that is none. */
function messageOf(text: string): BridgeMessage | undefined {
  try {
    const value = JSON.parse(text) as BridgeMessage | null;
    return typeof value === 'object' && value?.jsonrpc === '2.0' ? value : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(thrown: unknown, url: string): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  return `the host at ${url} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`;
}
