import { readingToTheEnd } from '@outrigger/sdk-plugin';
import { Pool, buildConnector, type Dispatcher } from 'undici';
import { EngineError } from './errors.js';
import { readSse, type SseEvent } from './sse.js';
import { wireError } from './answer-wire.js';

/** Where a llama-server listens. */
export type ServerAddress = { kind: 'unix'; path: string } | { kind: 'tcp'; origin: string; apiKey: string };

const MAX_JSON_BYTES = 256 * 1024 * 1024;

export interface ServerClientOptions {
  address: ServerAddress;
  /** Longest wait for the first byte of an answer: reading a long prompt may take minutes on a CPU. */
  headersTimeoutMs: number;
  /** Longest silence inside an answer; the server pings idle streams every 30 s. */
  idleTimeoutMs: number;
}

/** HTTP to one llama-server. Knows every live request, so that all can be ended before the server is stopped. */
export class ServerClient {
  readonly #pool: Pool;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #live = new Set<AbortController>();

  constructor({ address, headersTimeoutMs, idleTimeoutMs }: ServerClientOptions) {
    const options = {
      connections: 256,
      pipelining: 1,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: idleTimeoutMs,
    };
    const place = address.kind === 'unix' ? { socketPath: address.path } : {};
    this.#pool = new Pool(address.kind === 'unix' ? 'http://localhost' : address.origin, {
      ...options,
      connect: readingToTheEnd(buildConnector(place)),
    });
    // Only these headers ever go out: a caller's X-Conversation-Id would make the server generate on after a
    // disconnect.
    this.#headers = {
      'content-type': 'application/json',
      ...(address.kind === 'tcp' ? { authorization: `Bearer ${address.apiKey}` } : {}),
    };
  }

  get live(): number {
    return this.#live.size;
  }

  /** GET or POST, answered by one JSON value (or by text, when the answer is not JSON). */
  async json(path: string, body: string | undefined, signal: AbortSignal): Promise<unknown> {
    return this.#track(signal, async (tracked) => {
      const response = await this.#send(path, body, tracked);
      const text = await readText(response.body);
      const parsed = parseJson(text);
      if (response.statusCode >= 400) throw errorOf(parsed, response.statusCode);
      return parsed ?? text;
    });
  }

  /**
   * POST, answered by server-sent events. A server that answers with an error status or with a JSON body instead of
   * a stream gives an error, or one closed event that holds the body.
   */
  async *stream(
    path: string,
    body: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly SseEvent[], void, void> {
    const controller = new AbortController();
    this.#live.add(controller);
    try {
      const response = await this.#send(path, body, AbortSignal.any([signal, controller.signal]));
      const type = String(response.headers['content-type'] ?? '');
      if (response.statusCode >= 400 || !type.includes('text/event-stream')) {
        const text = await readText(response.body);
        if (response.statusCode >= 400) throw errorOf(parseJson(text), response.statusCode);
        yield [{ event: '', data: text, closed: true }];
        return;
      }
      // A reader that leaves early closes the body and with it the connection: the server then frees the slot.
      yield* readSse(response.body);
    } finally {
      this.#live.delete(controller);
    }
  }

  /** Ends every live request with this reason. */
  abortAll(reason: EngineError): void {
    for (const controller of this.#live) controller.abort(reason);
  }

  async close(reason: EngineError): Promise<void> {
    this.abortAll(reason);
    await this.#pool.destroy(reason).catch(() => undefined);
  }

  async #track<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#live.add(controller);
    try {
      return await work(AbortSignal.any([signal, controller.signal]));
    } finally {
      this.#live.delete(controller);
    }
  }

  #send(path: string, body: string | undefined, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    return this.#pool.request({
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: this.#headers,
      ...(body === undefined ? {} : { body }),
      signal,
    });
  }
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_JSON_BYTES) {
      throw new EngineError('engine_error', `the engine answered with more than ${MAX_JSON_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The value of a JSON text, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errorOf(body: unknown, status: number): EngineError {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  return wireError(typeof error === 'object' && error !== null ? error : {}, status);
}
