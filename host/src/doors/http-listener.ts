import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { GatewayError } from '../errors/gateway-error.js';
import type { Door } from '../request-context.js';
import type { Inference } from '../router/inference.js';
import type { Logger } from '../telemetry/logger.js';
import { AnswerCounts } from '../telemetry/metrics/answer-counts.js';
import { healthRoutes } from './health-routes.js';
import { ActiveExchanges } from './http/active-exchanges.js';
import { boundConnections } from './http/connection-bound.js';
import { Exchange, type ExchangeHost } from './http/exchange.js';
import { createHttpApp, type HttpApp } from './http/http-app.js';
import type { HttpDoorConfig } from './http/http-door-config.js';
import { OriginPolicy } from './http/origin-policy.js';
import { BodyBudget } from './http/body-budget.js';
import { Seats } from './http/seats.js';
import { CallerBound } from './http/caller-bound.js';
import { PipelinedExchanges } from './http/pipelined-exchanges.js';
import { StalledStreams } from './http/stalled-streams.js';
import { answerBrokenRequest } from './http/broken-request.js';
import { runRoute } from './http/route-runner.js';
import type { Route } from './http/route.js';
import { openApiRoute } from './openapi/openapi-route.js';
import { openaiRoutes } from './openai/openai-routes.js';
import type { AdminPort, InfoPort, ReadinessPort } from './ports.js';
import { restRoutes } from './rest/rest-routes.js';

/** Answers what comes to `/mcp`; what it rejects with becomes the answer. */
export type McpHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** What the HTTP doors work with. */
export interface HttpDoorOptions {
  readonly inference: Inference;
  readonly config: HttpDoorConfig;
  /** Parameters that cannot be honoured are an error on every request. Default false. */
  readonly strictParams?: boolean | (() => boolean);
  /** Answers `/mcp`; Host, Origin and credential have been checked. Without it `/mcp` is unknown. */
  readonly mcp?: McpHandler;
  readonly info: InfoPort;
  readonly admin: AdminPort;
  readonly readiness: ReadinessPort;
  /** How many requests wait for a plugin. Without it no stream gives way. */
  readonly waiting?: (plugin: string) => number;
  /** In whose name a request counts against the bound per caller; undefined for those that are not bounded. */
  readonly callerOf?: (request: IncomingMessage) => string | undefined;
  /** The reason to refuse a request, or undefined. */
  readonly gate?: (request: IncomingMessage) => GatewayError | undefined;
  readonly logger: Logger;
  /** Version of the host. */
  readonly version: string;
  /** Counts how requests were answered. */
  readonly answers?: AnswerCounts;
  /** Further routes, for example of administration. */
  readonly routes?: readonly Route[];
}

/** The one HTTP listener with all doors behind it. */
export interface HttpDoor {
  readonly server: Server;
  /** Requests that are being worked on. */
  readonly inFlight: number;
  /** Streams whose client does not read. */
  readonly stalled: { readonly size: number };
  /** Begins to listen. Rejects when the address is taken. */
  listen(): Promise<AddressInfo>;
  /**
   * Stops accepting, lets running requests end within `graceMs`, ends the rest with an explicit
   * error and closes every connection. `/readyz` answers 503 meanwhile. Idempotent.
   */
  close(graceMs: number): Promise<void>;
}

/** Builds the HTTP doors. Nothing listens until `listen`. */
export function createHttpDoor(options: HttpDoorOptions): HttpDoor {
  return new HttpListener(options);
}

const shutdownWriteMs = 500;
/** Bodies of the largest size that may be on their way at the same time; of smaller ones more. */
const wholeBodies = 32;
/** Requests that one connection may have sent ahead; one with more is closed. */
const maxPipelined = 64;
/** What one caller may take of all requests that are served at the same time, where nobody says otherwise. */
const callerShare = 0.75;

class HttpListener implements HttpDoor, ExchangeHost {
  readonly server: Server;
  readonly config: HttpDoorConfig;
  readonly origins: OriginPolicy;
  readonly logger: Logger;
  readonly active = new ActiveExchanges();
  readonly answers: AnswerCounts;
  readonly stalled: StalledStreams;
  readonly pipelined = new PipelinedExchanges();
  readonly bodies: BodyBudget;
  private readonly seats: Seats;
  /** Of their own, as the MCP door reads bodies itself: a slow one takes no place from the other doors. */
  private readonly mcpSeats: Seats;
  private readonly callers: CallerBound;
  draining = false;
  private readonly routes: readonly Route[];
  private readonly hot: Readonly<Record<'GET' | 'POST', ReadonlyMap<string, Route>>>;
  private readonly open: ReadonlySet<string>;
  private readonly keyless: ReadonlySet<string>;
  private app: HttpApp | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly options: HttpDoorOptions) {
    this.config = options.config;
    this.logger = options.logger;
    this.answers = options.answers ?? new AnswerCounts();
    this.origins = new OriginPolicy(options.config);
    this.stalled = new StalledStreams(options.waiting ?? (() => 0));
    const { maxInFlight, maxInFlightPerCaller = Math.ceil(maxInFlight * callerShare) } = options.config;
    this.callers = new CallerBound(maxInFlightPerCaller);
    this.seats = new Seats(maxInFlight);
    this.mcpSeats = new Seats(maxInFlight);
    this.bodies = new BodyBudget(options.config.maxBodyBytes * wholeBodies);
    const { inference, info, admin, readiness, version } = options;
    const routes = [
      ...healthRoutes(readiness, () => this.draining, info, version),
      ...openaiRoutes(inference),
      ...(options.routes ?? []),
      ...restRoutes({ inference, info, admin, version }),
    ];
    this.routes = [openApiRoute(version, () => this.routes, options.mcp !== undefined), ...routes];
    this.hot = {
      GET: hotRoutes(routes, 'GET'),
      POST: hotRoutes(routes, 'POST'),
    };
    this.open = new Set(routes.filter((route) => route.open === true).map((route) => route.path));
    this.keyless = new Set(routes.filter((route) => route.keyless === true).map((route) => route.path));
    this.server = this.createServer();
  }

  get inFlight(): number {
    return this.active.size;
  }

  get strictParams(): boolean {
    const { strictParams = false } = this.options;
    return typeof strictParams === 'boolean' ? strictParams : strictParams();
  }

  listen(): Promise<AddressInfo> {
    const { server, config } = this;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(config.port, config.host, () => {
        server.removeListener('error', reject);
        server.on('error', (error) => this.logger.error({ err: error }, 'the HTTP listener failed'));
        const address = server.address();
        if (typeof address === 'object' && address !== null) resolve(address);
        else reject(new Error('the HTTP listener has no address'));
      });
    });
  }

  close(graceMs: number): Promise<void> {
    this.closing ??= this.shutDown(graceMs);
    return this.closing;
  }

  private async shutDown(graceMs: number): Promise<void> {
    this.draining = true;
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve());
    });
    this.server.closeIdleConnections();
    if (!(await this.active.whenEmpty(graceMs))) {
      for (const exchange of [...this.active]) exchange.shutDown();
      await this.active.whenEmpty(shutdownWriteMs);
    }
    this.server.closeAllConnections();
    await closed;
  }

  private createServer(): Server {
    const receive = this.config.receiveTimeoutMs ?? 60_000;
    const server = createServer(
      {
        keepAliveTimeout: 65_000,
        headersTimeout: Math.min(receive, 30_000),
        requestTimeout: receive,
        connectionsCheckingInterval: Math.max(50, Math.min(5_000, Math.floor(receive / 2))),
        // Checked by the origin policy, which answers with JSON.
        requireHostHeader: false,
        maxHeaderSize: 32 * 1024,
      },
      (request, response) => this.receive(request, response, false),
    );
    const { maxConnections } = this.config;
    if (maxConnections !== undefined) boundConnections(server, maxConnections, this.logger);
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      this.receive(request, response, true),
    );
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.exchange(request, response, request.url ?? '').fail(
        new GatewayError('invalid_request', 'only "Expect: 100-continue" is understood', { param: 'expect' }),
      ),
    );
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
      answerBrokenRequest(error, socket, this.active, this.logger),
    );
    return server;
  }

  private receive(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const exchange = this.exchange(request, response, path);
    exchange.expectsContinue = expectsContinue;
    try {
      this.dispatch(exchange, path);
    } catch (thrown) {
      exchange.fail(thrown);
    }
  }

  private dispatch(exchange: Exchange, path: string): void {
    const { request, response } = exchange;
    if (!this.open.has(path)) {
      const foreign = this.origins.check(request);
      if (foreign !== undefined) return exchange.fail(foreign);
      const { origin } = request.headers;
      if (
        request.method === 'OPTIONS' &&
        origin !== undefined &&
        request.headers['access-control-request-method'] !== undefined
      ) {
        const headers = [
          'x-request-id',
          exchange.requestId,
          ...this.origins.preflightHeaders(request, origin),
        ];
        response.writeHead(204, headers).end();
        return;
      }
      const refused = this.keyless.has(path) ? undefined : this.options.gate?.(request);
      if (refused !== undefined) return exchange.fail(refused);
    }
    const { method } = request;
    if (method === 'POST' && this.pipelined.count(exchange) > maxPipelined) {
      // Nobody who means well comes here, and an answer could not be sent before all the others.
      request.socket.destroy();
      return;
    }
    if (method === 'POST' || method === 'GET') {
      const route = this.hot[method].get(path);
      if (route !== undefined) return this.runHot(route, exchange);
    }
    if (path === '/mcp' && this.options.mcp !== undefined) {
      void this.runMcp(exchange, this.options.mcp);
      return;
    }
    this.app ??= createHttpApp(this.routes);
    this.app(exchange);
  }

  private runHot(route: Route, exchange: Exchange): void {
    if (route.method === 'POST') void runRoute(route, exchange);
    else void runRoute(route, exchange, undefined, queryOf(exchange.request.url));
  }

  admit(exchange: Exchange, seats = this.seats): boolean {
    const { callers, stalled } = this;
    const caller = this.options.callerOf?.(exchange.request);
    if (caller !== undefined && !callers.enter(caller)) {
      return this.refuse(exchange, `${callers.max} requests of this caller are being served already`);
    }
    exchange.caller = caller;
    // Streams that nobody reads make room.
    while (seats.full && stalled.giveWay());
    if (seats.full) return this.refuse(exchange, `the host works on ${seats.max} requests already`);
    seats.take(exchange);
    return true;
  }

  leave(exchange: Exchange): void {
    this.active.delete(exchange);
    exchange.seats?.leave(exchange);
    const { caller } = exchange;
    exchange.caller = undefined;
    if (caller !== undefined) this.callers.leave(caller);
  }

  private refuse(exchange: Exchange, why: string): false {
    exchange.fail(new GatewayError('rate_limited', why, { retryAfterMs: 1000 }));
    return false;
  }

  private async runMcp(exchange: Exchange, mcp: McpHandler): Promise<void> {
    const { request, response } = exchange;
    if (request.method === 'POST' && !this.admit(exchange, this.mcpSeats)) return;
    // A client listens on GET for as long as it lives; that is no work to wait for.
    if (request.method === 'GET') this.active.delete(exchange);
    if (exchange.expectsContinue) response.writeContinue();
    const { origin } = request.headers;
    if (origin !== undefined) {
      const headers = this.origins.headers(origin);
      for (let at = 0; at + 1 < headers.length; at += 2) {
        response.setHeader(headers[at] ?? '', headers[at + 1] ?? '');
      }
    }
    try {
      await mcp(request, response);
    } catch (thrown) {
      exchange.fail(thrown);
    }
  }

  private exchange(request: IncomingMessage, response: ServerResponse, path: string): Exchange {
    return new Exchange(this, request, response, doorOf(path));
  }
}

function hotRoutes(routes: readonly Route[], method: string): ReadonlyMap<string, Route> {
  const hot = routes.filter((route) => route.hot === true && route.method === method);
  return new Map(hot.map((route) => [route.path, route]));
}

function queryOf(url = ''): URLSearchParams | undefined {
  const mark = url.indexOf('?');
  return mark < 0 ? undefined : new URLSearchParams(url.slice(mark + 1));
}

/** In whose words a path is answered, unknown ones included. */
function doorOf(path: string): Door {
  if (path === '/mcp') return 'mcp';
  if (path.startsWith('/mcp/') || path === '/openapi.json' || /^\/(livez|readyz|healthz|metrics)$/.test(path))
    return 'rest';
  return 'openai';
}
