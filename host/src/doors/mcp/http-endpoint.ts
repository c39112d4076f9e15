import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../../telemetry/logger.js';
import type { McpCatalog } from './catalog.js';
import { systemClock, type Clock } from './clock.js';
import { Dispatcher } from './dispatcher.js';
import { HttpExchange } from './exchange.js';
import { Refusal, rpcError } from './http-answers.js';
import { readJsonBody } from './http-body.js';
import { checkHost, checkOrigin, corsHeaders, localHosts, preflightHeaders } from './http-guards.js';
import type { LegacyAdapter } from './legacy-adapter.js';
import { defaultLimits, type McpLimits } from './limits.js';
import type { ModernAdapter } from './modern-adapter.js';
import { isPlainlyLegacy } from './plainly-legacy.js';
import { pump } from './response-pump.js';

/** Says who calls, or why not. */
export type McpAuth = (req: IncomingMessage) => Promise<McpAuthOutcome> | McpAuthOutcome;
/** What an auth hook decides: a principal, or an HTTP status (401, 403) with headers such as WWW-Authenticate. */
export type McpAuthOutcome =
  | { readonly principal: string }
  | {
      readonly status: number;
      readonly message: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

/** What the door needs. */
export interface McpDoorOptions {
  readonly catalog: McpCatalog;
  readonly logger: Logger;
  readonly auth?: McpAuth;
  /** Host names that the server answers to (without ports; `[::1]` for IPv6; `*` for any). Default: this machine. */
  readonly allowedHosts?: readonly string[];
  /** Origins or host names of pages that may call (`*` for any). Default: pages of this machine. */
  readonly allowedOrigins?: readonly string[];
  readonly limits?: Partial<McpLimits>;
  readonly clock?: Clock;
}

/** The endpoint `/mcp`: every revision from 2024-11-05 to 2026-07-28. */
export interface McpDoor {
  /** Answers GET, POST, DELETE and OPTIONS. Never rejects. The body must not have been read. */
  handler(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Open sessions of clients up to revision 2025-11-25. */
  sessions(): number;
  /** Calls under way. */
  running(): number;
  /** Refuses what is new, gives calls under way `graceMs` to finish, then ends streams and sessions. */
  close(graceMs?: number): Promise<void>;
}

const ALLOW = 'GET, POST, DELETE, OPTIONS';
const REQUEST_ID = /^[\w.:-]{1,128}$/;
/** How long the door waits for readers when it closes. */
const FLUSH_MS = 500;
const MODERN = '2026-07-28';

/** Opens the door. */
export function createMcpDoor(options: McpDoorOptions): McpDoor {
  return new Endpoint(options);
}

class Endpoint implements McpDoor {
  readonly #limits: McpLimits;
  readonly #clock: Clock;
  readonly #dispatcher: Dispatcher;
  // Each is loaded for the first client of its era: with it comes an SDK of its own.
  #legacy: LegacyAdapter | undefined;
  #loadingLegacy: Promise<LegacyAdapter> | undefined;
  #loadingModern: Promise<ModernAdapter> | undefined;
  /** Exchanges that are under way. */
  readonly #open = new Set<HttpExchange>();
  #closing = false;

  constructor(private readonly options: McpDoorOptions) {
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    const { catalog, logger } = options;
    this.#dispatcher = new Dispatcher({ catalog, logger, limits: this.#limits, clock: this.#clock });
  }

  sessions(): number {
    return this.#legacy?.sessions ?? 0;
  }

  running(): number {
    return this.#dispatcher.running;
  }

  readonly handler = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const given = req.headers['x-request-id'];
    const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    res.setHeader('x-request-id', requestId);
    try {
      await this.#handle(req, res, requestId);
    } catch (thrown) {
      this.#answerFailure(res, thrown, requestId);
    }
  };

  async close(graceMs = 0): Promise<void> {
    this.#closing = true;
    const until = this.#clock.now() + graceMs;
    while (this.#dispatcher.running > 0 && this.#clock.now() < until)
      await new Promise<void>((resolve) => this.#clock.after(20, resolve, true));
    await (await this.#loadingModern)?.close();
    await (await this.#loadingLegacy)?.close();
    // The last words of streams are on their way.
    const flushed = Promise.all([...this.#open].map((one) => new Promise<void>((done) => one.onEnd(done))));
    let callOff: () => void = () => undefined;
    const enough = new Promise<void>((resolve) => (callOff = this.#clock.after(FLUSH_MS, resolve, true)));
    await Promise.race([flushed, enough]);
    callOff();
  }

  async #handle(req: IncomingMessage, res: ServerResponse, requestId: string): Promise<void> {
    checkHost(req, this.options.allowedHosts ?? localHosts);
    const allowedOrigin = checkOrigin(req, this.options.allowedOrigins ?? localHosts);
    if (allowedOrigin !== undefined)
      for (const [name, value] of Object.entries(corsHeaders(allowedOrigin))) res.setHeader(name, value);
    const method = req.method ?? '';
    if (method === 'OPTIONS') {
      res.writeHead(204, { ...preflightHeaders, allow: ALLOW }).end();
      return;
    }
    if (method !== 'POST' && method !== 'GET' && method !== 'DELETE')
      throw new Refusal(405, -32000, 'Method not allowed.', { allow: ALLOW });
    if (this.#closing) throw new Refusal(503, -32000, 'the server is shutting down', { 'retry-after': '1' });
    const principal = await this.#authenticate(req);
    const body = method === 'POST' ? await readJsonBody(req, this.#limits, this.#clock) : undefined;
    await this.#serve(req, res, method, body, new HttpExchange(requestId, principal));
  }

  async #authenticate(req: IncomingMessage): Promise<string | undefined> {
    const outcome = await this.options.auth?.(req);
    if (outcome === undefined || 'principal' in outcome) return outcome?.principal;
    throw new Refusal(outcome.status, -32000, outcome.message, outcome.headers);
  }

  async #serve(
    req: IncomingMessage,
    res: ServerResponse,
    method: string,
    body: unknown,
    exchange: HttpExchange,
  ): Promise<void> {
    exchange.onKill = (reason) => {
      this.options.logger.warn({ requestId: exchange.requestId, reason }, 'MCP connection given up');
      res.destroy();
    };
    // Up to 2025-11-25 a lost connection need not mean that the call is unwanted. But without
    // resumable streams nobody could ever read its answer, so the work stops in both eras.
    res.once('close', () => exchange.leave('the caller has left'));
    const request = new Request(`http://localhost${req.url ?? '/'}`, {
      method,
      headers: webHeaders(req),
      signal: exchange.signal,
    });
    this.#open.add(exchange);
    try {
      const adapter = await this.#adapterFor(request, body);
      await pump(await adapter.handle(request, body, exchange), res, exchange, this.#limits, this.#clock);
    } finally {
      this.#open.delete(exchange);
      exchange.end();
    }
  }

  async #adapterFor(request: Request, body: unknown): Promise<LegacyAdapter | ModernAdapter> {
    const version = request.headers.get('mcp-protocol-version');
    if (request.method !== 'POST') {
      if (version === MODERN)
        throw new Refusal(405, -32000, `Method not allowed: revision ${MODERN} has only POST.`, {
          allow: 'POST',
        });
      return this.#legacyAdapter();
    }
    if (isPlainlyLegacy(version, body)) return this.#legacyAdapter();
    const { eraOf } = await import('./era.js');
    return eraOf(request, body) === 'legacy' ? this.#legacyAdapter() : this.#modernAdapter();
  }

  #legacyAdapter(): Promise<LegacyAdapter> {
    this.#loadingLegacy ??= import('./legacy-adapter.js').then(
      (module) => (this.#legacy = new module.LegacyAdapter(this.#dispatcher)),
    );
    return this.#loadingLegacy;
  }

  #modernAdapter(): Promise<ModernAdapter> {
    this.#loadingModern ??= import('./modern-adapter.js').then(
      (module) => new module.ModernAdapter(this.#dispatcher),
    );
    return this.#loadingModern;
  }

  #answerFailure(res: ServerResponse, thrown: unknown, requestId: string): void {
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    let response: Response;
    if (thrown instanceof Refusal) response = thrown.toResponse();
    else {
      this.options.logger.error({ err: thrown, requestId }, 'the MCP endpoint failed');
      response = rpcError(500, -32603, `internal error; the log has the details under request ${requestId}`);
    }
    for (const [name, value] of response.headers) res.setHeader(name, value);
    res.statusCode = response.status;
    void response.text().then((text) => res.end(text));
  }
}

function webHeaders(req: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    if (typeof value === 'string') headers.set(name, value);
    else if (value !== undefined) for (const one of value) headers.append(name, one);
  }
  return headers;
}
