/* eslint-disable @typescript-eslint/no-deprecated -- the low-level server is meant here: the other takes no raw JSON Schema and converts per request */
import { randomUUID } from 'node:crypto';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import type { jsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/types.js';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';
import { carry } from './carried-exchange.js';
import type { Dispatcher } from './dispatcher.js';
import type { HttpExchange } from './exchange.js';
import { rpcError } from './http-answers.js';
import { createLegacyServer } from './legacy-server.js';

/** The last revision with batches. */
const LAST_WITH_BATCHES = '2025-03-26';

interface Session {
  readonly id: string;
  readonly principal: string | undefined;
  readonly server: Server;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly version: string;
  /** Requests and streams that are open now. */
  open: number;
  /** Of `open`, those that only listen. */
  listening: number;
  lastUsed: number;
}

/**
 * Serves revisions up to 2025-11-25 over Streamable HTTP with sessions. Answers are event
 * streams: the JSON mode of the SDK leaks in sessions and drops progress. Clients often
 * never end their session, so sessions end by themselves and their number is bounded.
 */
export class LegacyAdapter {
  /** Least recently used first. */
  readonly #sessions = new Map<string, Session>();
  readonly #validator = sharedValidator();
  readonly #stop: (() => void)[];
  #callOffSweep: (() => void) | undefined;

  constructor(private readonly dispatcher: Dispatcher) {
    const { catalog } = dispatcher.options;
    this.#stop = [
      catalog.onToolsChanged(() => this.#tellAll((server) => server.sendToolListChanged())),
      catalog.onResourcesChanged(() => this.#tellAll((server) => server.sendResourceListChanged())),
    ];
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  async handle(request: Request, body: unknown, exchange: HttpExchange): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    if (id === null) {
      if (request.method === 'POST' && isInitialize(body)) return this.#begin(request, body, exchange);
      return rpcError(400, -32000, 'Bad Request: Mcp-Session-Id header is required; initialize first');
    }
    const session = this.#sessions.get(id);
    // A session of somebody else is no session.
    if (session === undefined || session.principal !== exchange.principal)
      return rpcError(404, -32001, 'Session not found; initialize again');
    if (Array.isArray(body) && session.version > LAST_WITH_BATCHES)
      return rpcError(400, -32600, `batches are not part of revision ${session.version}`);
    return this.#serve(session, request, body, exchange);
  }

  async close(): Promise<void> {
    for (const stop of this.#stop) stop();
    this.#callOffSweep?.();
    this.#callOffSweep = undefined;
    await Promise.all([...this.#sessions.values()].map((session) => this.#end(session)));
  }

  async #begin(request: Request, body: unknown, exchange: HttpExchange): Promise<Response> {
    if (!this.#makeRoom()) {
      const refused = rpcError(503, -32000, 'too many sessions; try again later');
      refused.headers.set('retry-after', '10');
      return refused;
    }
    const id = randomUUID();
    const { limits, clock, logger } = this.dispatcher.options;
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      keepAliveMs: limits.keepAliveMs,
    });
    const server = createLegacyServer(this.dispatcher, this.#validator);
    server.onerror = (error) => logger.debug({ err: error, session: id }, 'MCP session');
    const session: Session = {
      id,
      principal: exchange.principal,
      server,
      transport,
      version: negotiated(body),
      open: 0,
      listening: 0,
      lastUsed: clock.now(),
    };
    // The transport's type does not know of exactOptionalPropertyTypes.
    await server.connect(transport);
    this.#sessions.set(id, session);
    const response = await this.#serve(session, request, body, exchange);
    if (response.status === 200) this.#sweepLater();
    else await this.#end(session);
    return response;
  }

  async #serve(session: Session, request: Request, body: unknown, exchange: HttpExchange): Promise<Response> {
    const listening = request.method === 'GET' ? 1 : 0;
    session.open += 1;
    session.listening += listening;
    this.#touch(session);
    exchange.onEnd(() => {
      session.open -= 1;
      session.listening -= listening;
      this.#touch(session);
    });
    const response = await session.transport.handleRequest(request, {
      ...(body === undefined ? {} : { parsedBody: body }),
      authInfo: carry(exchange),
    });
    if (request.method === 'DELETE' && response.ok) await this.#end(session);
    return response;
  }

  #touch(session: Session): void {
    session.lastUsed = this.dispatcher.options.clock.now();
    if (this.#sessions.delete(session.id)) this.#sessions.set(session.id, session);
  }

  /** Ends the least recently used session without a call when there are too many; false when all have one. */
  #makeRoom(): boolean {
    if (this.#sessions.size < this.dispatcher.options.limits.sessions) return true;
    const all = [...this.#sessions.values()];
    const victim =
      all.find((session) => session.open === 0) ?? all.find((session) => session.open === session.listening);
    if (victim === undefined) return false;
    void this.#end(victim);
    return true;
  }

  #sweepLater(): void {
    if (this.#callOffSweep !== undefined) return;
    const { clock, limits } = this.dispatcher.options;
    this.#callOffSweep = clock.after(limits.sessionIdleMs / 4, () => {
      this.#callOffSweep = undefined;
      for (const session of this.#sessions.values()) {
        if (session.open === 0 && clock.now() - session.lastUsed >= limits.sessionIdleMs)
          void this.#end(session);
      }
      if (this.#sessions.size > 0) this.#sweepLater();
    });
  }

  /** Closes the transport too: a session that is only forgotten keeps its streams and timers. */
  async #end(session: Session): Promise<void> {
    this.#sessions.delete(session.id);
    await session.transport.close().catch(() => undefined);
    await session.server.close().catch(() => undefined);
  }

  #tellAll(tell: (server: Server) => Promise<void>): void {
    for (const { server } of this.#sessions.values()) void tell(server).catch(() => undefined);
  }
}

/** The revision that the server will choose for this `initialize`. */
function negotiated(body: unknown): string {
  const { params } = body as { params?: { protocolVersion?: unknown } };
  const wanted = params?.protocolVersion;
  return typeof wanted === 'string' && SUPPORTED_PROTOCOL_VERSIONS.includes(wanted)
    ? wanted
    : LATEST_PROTOCOL_VERSION;
}

function isInitialize(body: unknown): boolean {
  return typeof body === 'object' && body !== null && (body as { method?: unknown }).method === 'initialize';
}

/** One for all sessions, made when something is to be validated: that takes longer than a session. */
function sharedValidator(): jsonSchemaValidator {
  let made: AjvJsonSchemaValidator | undefined;
  return { getValidator: (schema) => (made ??= new AjvJsonSchemaValidator()).getValidator(schema) };
}
