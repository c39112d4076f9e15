import { Agent, request, type Dispatcher } from 'undici';
import { CliFailure } from './failure.js';
import { reasonOf } from './reason.js';
import { readEvents, type SseEvent } from './sse.js';

/** Talks to the doors of a running host. */
export class HostClient {
  readonly url: string;
  readonly #apiKey: string | undefined;
  // No time limit on bodies and headers: a model may think for minutes. Callers bound their calls by signal.
  readonly #agent = new Agent({ connect: { timeout: 5000 }, headersTimeout: 0, bodyTimeout: 0 });

  constructor(url: string, apiKey?: string) {
    this.url = url;
    this.#apiKey = apiKey;
  }

  /** Headers that prove who calls. */
  get authorization(): Readonly<Record<string, string>> {
    return this.#apiKey === undefined ? {} : { authorization: `Bearer ${this.#apiKey}` };
  }

  /** GET that answers JSON. */
  async get(path: string, signal?: AbortSignal): Promise<unknown> {
    return parse(await this.#call('GET', path, undefined, signal ?? AbortSignal.timeout(30_000)));
  }

  /** POST or DELETE that answers JSON, or nothing. */
  async send(method: 'POST' | 'DELETE', path: string, body?: object, signal?: AbortSignal): Promise<unknown> {
    return parse(await this.#call(method, path, body, signal ?? AbortSignal.timeout(600_000)));
  }

  /** POST that answers events. A JSON answer comes as one event. */
  async *stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<SseEvent> {
    const response = await this.#call('POST', path, body, signal);
    if (String(response.headers['content-type'] ?? '').startsWith('text/event-stream')) {
      yield* readEvents(response.body as AsyncIterable<Uint8Array>);
    } else {
      yield { event: 'message', data: await response.body.text() };
    }
  }

  /** The bytes of an answer that may last for ever; gives up after `silenceMs` without any. */
  async open(path: string, signal: AbortSignal, silenceMs: number): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#call('GET', path, undefined, signal, silenceMs);
    return response.body as AsyncIterable<Uint8Array>;
  }

  /** One request whose answer is handed over as it is, errors included. */
  async raw(options: {
    method: 'GET' | 'POST' | 'DELETE';
    path: string;
    headers: Readonly<Record<string, string>>;
    body?: string;
    signal: AbortSignal;
    /** Longest silence inside the answer in milliseconds; 0 or absent is no limit. */
    silenceMs?: number | undefined;
  }): Promise<Dispatcher.ResponseData> {
    return request(this.url + options.path, {
      method: options.method,
      headers: { ...this.authorization, ...options.headers },
      ...(options.body === undefined ? {} : { body: options.body }),
      signal: options.signal,
      bodyTimeout: options.silenceMs ?? 0,
      dispatcher: this.#agent,
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body: object | undefined,
    signal: AbortSignal,
    silenceMs?: number,
  ) {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers: Record<string, string> = { accept: 'application/json, text/event-stream' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    let response: Dispatcher.ResponseData;
    try {
      response = await this.raw({ method, path, headers, signal, silenceMs, ...json });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new CliFailure(`no host answers at ${this.url} (${reasonOf(error)})`, {
        hint: 'start one with `outrigger serve`, or name another with --url',
        cause: error,
      });
    }
    if (response.statusCode < 400) return response;
    const text = await response.body.text();
    if (response.statusCode === 401 || response.statusCode === 403) {
      throw new CliFailure(
        `the host at ${this.url} asks for a key: ${messageOf(text, response.statusCode)}`,
        {
          hint: 'give it with --api-key, OUTRIGGER_API_KEY or, to administer, OUTRIGGER_ADMIN_KEY',
        },
      );
    }
    throw new CliFailure(messageOf(text, response.statusCode));
  }
}

async function parse(response: Dispatcher.ResponseData): Promise<unknown> {
  const text = await response.body.text();
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CliFailure('the answer of the host is not JSON', {
      hint: 'is something else listening there?',
    });
  }
}

/** The sentence in an error body, whichever door it comes from. */
export function messageOf(text: string, status: number): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const { error, detail, title } = (body ?? {}) as { error?: unknown; detail?: unknown; title?: unknown };
  const nested =
    typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error;
  for (const message of [nested, detail, title]) if (typeof message === 'string') return message;
  return `the host answered with status ${status}`;
}
