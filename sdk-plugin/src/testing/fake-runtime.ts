import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request to a scripted runtime, and the way to answer it. */
export interface Exchange {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The body as text. */
  readonly body: string;
  /** The body as JSON; throws when it is not. */
  json(): unknown;
  /** Aborted when the client leaves before the answer is whole. */
  readonly signal: AbortSignal;
  /** The client left before the answer was whole. */
  readonly left: boolean;
  /** Resolves when the answer is whole or the client has left. */
  readonly closed: Promise<void>;

  /** Answers with JSON, whole. */
  reply(status: number, value: unknown, headers?: Readonly<Record<string, string>>): void;
  /** Begins an answer that is written piece by piece. */
  begin(status: number, headers: Readonly<Record<string, string>>): void;
  /** Writes bytes or text as they are; begins with status 200 when nothing was begun. */
  write(data: string | Uint8Array): void;
  /** Writes a line of NDJSON. */
  ndjson(value: unknown): void;
  /** Writes a server-sent event; a value that is no string travels as JSON. */
  sse(data: unknown, event?: string): void;
  /** Completes the answer. */
  end(): void;
  /** Breaks the connection as a crash would. */
  cut(): void;
}

/** Answers a request. May wait at a gate; a throw becomes a 500. */
export type RuntimeHandler = (exchange: Exchange) => void | Promise<void>;

/** Handlers by method and path without query, for example "POST /api/chat". "*" answers whatever else comes. */
export type RuntimeRoutes = Readonly<Record<string, RuntimeHandler>>;

/** A scripted HTTP runtime. */
export interface FakeRuntime extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** All requests so far, the oldest first. */
  readonly exchanges: readonly Exchange[];
  /** Replaces or adds routes. */
  route(routes: RuntimeRoutes): void;
  /** Resolves with the `count`-th request (from 1) of a route, now or when it comes. */
  arrival(route: string, count?: number): Promise<Exchange>;
  /** Breaks all connections and stops listening. */
  close(): Promise<void>;
}

/** Most requests that are kept. */
const mostExchanges = 10_000;
/** Largest body in bytes. */
const largestBody = 64 * 1024 * 1024;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody) throw new Error('body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function exchangeOf(request: IncomingMessage, response: ServerResponse, body: string): Exchange {
  const controller = new AbortController();
  const closed = once(response, 'close').then(() => {
    if (!response.writableFinished) controller.abort();
  });
  const begin: Exchange['begin'] = (status, headers) => response.writeHead(status, headers).flushHeaders();
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    body,
    json: () => JSON.parse(body) as unknown,
    signal: controller.signal,
    get left() {
      return controller.signal.aborted;
    },
    closed,
    reply: (status, value, headers = {}) =>
      void response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value)),
    begin,
    write: (data) => void response.write(data),
    ndjson: (value) => {
      if (!response.headersSent) begin(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(value)}\n`);
    },
    sse: (data, event) => {
      if (!response.headersSent) begin(200, { 'content-type': 'text/event-stream' });
      const text = typeof data === 'string' ? data : JSON.stringify(data);
      response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`);
    },
    end: () => void response.end(),
    cut: () => void response.destroy(),
  };
}

/** Starts a scripted HTTP runtime on a free port of 127.0.0.1. */
export async function fakeRuntime(first: RuntimeRoutes): Promise<FakeRuntime> {
  let routes = first;
  const exchanges: Exchange[] = [];
  const awaited: { route: string; count: number; resolve: (exchange: Exchange) => void }[] = [];
  const routeOf = (exchange: Exchange): string => `${exchange.method} ${exchange.path.split('?')[0] ?? ''}`;
  const nth = (route: string, count: number): Exchange | undefined =>
    exchanges.filter((exchange) => routeOf(exchange) === route)[count - 1];

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exchange = exchangeOf(request, response, await bodyOf(request));
    exchanges.push(exchange);
    if (exchanges.length > mostExchanges) exchanges.shift();
    for (const waiting of [...awaited]) {
      const found = nth(waiting.route, waiting.count);
      if (found === undefined) continue;
      awaited.splice(awaited.indexOf(waiting), 1);
      waiting.resolve(found);
    }
    const handler = routes[routeOf(exchange)] ?? routes['*'];
    if (handler === undefined) {
      exchange.reply(404, { error: `the fake runtime has no route ${routeOf(exchange)}` });
      return;
    }
    try {
      await handler(exchange);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else exchange.reply(500, { error: String(error) });
    }
  };
  const server = createServer((request, response) => {
    // A request that breaks off while its body comes has nobody to answer.
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    exchanges,
    route: (more) => void (routes = { ...routes, ...more }),
    arrival: (route, count = 1) => {
      const found = nth(route, count);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => awaited.push({ route, count, resolve }));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
