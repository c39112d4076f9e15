import type { IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { GatewayError } from '../../errors/gateway-error.js';
import type { Door, RequestContext } from '../../request-context.js';
import type { Served } from '../../router/inference.js';
import type { Logger } from '../../telemetry/logger.js';
import type { AnswerCounts } from '../../telemetry/metrics/answer-counts.js';
import { openaiError } from '../openai/openai-error.js';
import { problem } from '../rest/problem.js';
import { pluginText } from '../shared/remarks.js';
import type { ActiveExchanges } from './active-exchanges.js';
import type { BodyBudget } from './body-budget.js';
import type { HttpDoorConfig } from './http-door-config.js';
import type { OriginPolicy } from './origin-policy.js';
import type { PipelinedExchanges } from './pipelined-exchanges.js';
import { requestIdOf } from './request-id.js';
import type { Seats } from './seats.js';
import type { StalledStreams } from './stalled-streams.js';

/** What all exchanges of a listener share. */
export interface ExchangeHost {
  readonly config: HttpDoorConfig;
  readonly origins: OriginPolicy;
  readonly logger: Logger;
  readonly strictParams: boolean;
  readonly active: ActiveExchanges;
  readonly answers: AnswerCounts;
  readonly stalled: StalledStreams;
  readonly pipelined: PipelinedExchanges;
  readonly bodies: BodyBudget;
  /** Counts a request in; answers it with 429 and says false when there are too many. */
  admit(exchange: Exchange): boolean;
  /** A request lets go of its place among those that are served. */
  leave(exchange: Exchange): void;
  readonly draining: boolean;
}

const json = 'application/json; charset=utf-8';
const discardBytes = 256 * 1024 * 1024;
const discardMs = 2_000;

/** One request and its answer, on the hot routes and on all others. */
export class Exchange implements RequestContext {
  readonly requestId: string;
  readonly receivedAt = performance.now();
  readonly strictParams: boolean;
  readonly traceparent: string;
  /** The client has left, or the answer is complete. */
  closed = false;
  /** Called once when the client leaves before the answer is complete. */
  onLeave: (() => void) | undefined;
  /** Called when the host gives up on running requests. Without it the socket is just closed. */
  onShutdown: ((error: GatewayError) => void) | undefined;
  /** The client waits for leave to send its body. */
  expectsContinue = false;
  /** In whose name it was let in; undefined when nobody counts it. */
  caller: string | undefined;
  /** Where it stands among the requests that are being worked on; -1 when it is none of them. */
  place = -1;
  /** Where it has a seat. */
  seats: Seats | undefined;
  private controller: AbortController | undefined;

  constructor(
    readonly host: ExchangeHost,
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    readonly door: Door,
  ) {
    const { headers } = request;
    this.requestId = requestIdOf(headers);
    this.strictParams = host.strictParams || headers['x-outrigger-strict-params'] === 'true';
    const trace = headers['traceparent'];
    this.traceparent = typeof trace === 'string' && tracePattern.test(trace) ? trace : '';
    host.active.add(this);
    response.on('close', this.close);
    if (response.socket === null) host.pipelined.add(this);
  }

  /** Made only when somebody asks: most requests end before anybody does. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.closed) this.controller.abort();
    }
    return this.controller.signal;
  }

  /** Answers with JSON that is text already. */
  send(status: number, text: string, served?: Served, warnings = 0, type = json): void {
    if (this.closed || this.response.headersSent) return;
    const headers = this.headers(type, served, warnings);
    headers.push('content-length', String(Buffer.byteLength(text)));
    this.response.writeHead(status, headers);
    this.response.end(this.request.method === 'HEAD' ? undefined : text);
  }

  /** Answers with a value. */
  sendJson(status: number, value: unknown): void {
    this.send(status, JSON.stringify(value));
  }

  /** Begins a stream of server-sent events. */
  openStream(served?: Served): void {
    const headers = this.headers('text/event-stream; charset=utf-8', served, 0);
    headers.push('cache-control', 'no-cache', 'x-accel-buffering', 'no');
    this.response.writeHead(200, headers);
  }

  /** Answers with an error in the shape of the door, and logs what is not the caller's fault. */
  fail(thrown: unknown, extraHeaders: readonly string[] = []): void {
    const error = GatewayError.from(thrown);
    this.log(error);
    if (this.closed || this.response.headersSent) return;
    const { type, text } = renderError(this.door, error, this.requestId);
    const headers = this.headers(type, undefined, 0);
    headers.push('content-length', String(Buffer.byteLength(text)), ...extraHeaders);
    if (error.retryAfterMs !== undefined) {
      headers.push('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))));
      headers.push('retry-after-ms', String(Math.ceil(error.retryAfterMs)));
    }
    if (error.kind === 'unauthenticated') headers.push('www-authenticate', 'Bearer');
    const unread = this.hasUnreadBody();
    // Otherwise node closes with the last byte of the answer when the client asked for that.
    const closes = !this.response.shouldKeepAlive;
    if (unread) this.response.shouldKeepAlive = true;
    this.response.writeHead(error.row.http, headers);
    this.response.end(this.request.method === 'HEAD' ? undefined : text);
    if (unread) this.discard(closes);
  }

  /** Logs an error: faults of ours and of plugins loudly, those of the caller quietly. */
  log(error: GatewayError): void {
    this.host.answers.failed(this.door, error.kind);
    const fields = {
      requestId: this.requestId,
      door: this.door,
      kind: error.kind,
      ...(error.plugin === undefined ? {} : { plugin: error.plugin }),
    };
    if (error.kind === 'internal') {
      this.host.logger.error({ ...fields, err: error.cause ?? error }, error.message);
    } else if (error.row.http >= 500) this.host.logger.warn(fields, error.message);
    else this.host.logger.debug(fields, error.message);
  }

  /** The host stops: whatever still runs ends with an explicit error. */
  shutDown(): void {
    const error = new GatewayError('plugin_unavailable', 'the host is shutting down');
    if (this.onShutdown !== undefined) this.onShutdown(error);
    else this.fail(error);
    this.controller?.abort(error);
  }

  /** Others are served before it: ends with an explicit error, and its place is free at once. */
  giveUp(error: GatewayError): void {
    this.onShutdown?.(error);
    this.onShutdown = undefined;
    this.host.leave(this);
  }

  private headers(type: string, served: Served | undefined, warnings: number): string[] {
    const ms = (performance.now() - this.receivedAt).toFixed(1);
    const headers = ['content-type', type, 'x-request-id', this.requestId, 'openai-processing-ms', ms];
    if (served !== undefined) {
      headers.push('x-outrigger-plugin', headerText(pluginText(served)));
      if (served.ignoredParams.length > 0) {
        headers.push('x-outrigger-ignored-params', headerText(served.ignoredParams.join(',')));
      }
    }
    if (warnings > 0) headers.push('x-outrigger-warnings', String(warnings));
    const { origin } = this.request.headers;
    if (origin !== undefined) headers.push(...this.host.origins.headers(origin));
    if (this.host.draining) headers.push('connection', 'close');
    return headers;
  }

  private hasUnreadBody(): boolean {
    const { request } = this;
    if (request.complete) return false;
    return (
      request.headers['transfer-encoding'] !== undefined || request.headers['content-length'] !== undefined
    );
  }

  /**
   * Reads on for a while what the client still sends: many clients send everything before they
   * look for an answer, and closing on them would cost them the answer. Bounded by time and size.
   */
  private discard(closes: boolean): void {
    const { request } = this;
    const { socket } = request;
    let left = discardBytes;
    const timer = setTimeout(() => socket.destroy(), discardMs).unref();
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) socket.destroy();
    });
    request.resume();
    request.once('end', () => {
      clearTimeout(timer);
      if (closes) socket.end();
    });
    request.once('close', () => clearTimeout(timer));
  }

  /** The answer is out, or will never be. */
  readonly close = (): void => {
    if (this.closed) return;
    const complete = this.response.writableFinished;
    this.closed = true;
    this.host.leave(this);
    this.host.pipelined.delete(this);
    this.onShutdown = undefined;
    this.host.answers.answered(this.door, this.response.headersSent ? this.response.statusCode : 499);
    if (complete) return;
    this.onLeave?.();
    this.controller?.abort(new GatewayError('cancelled', 'the caller left'));
  };
}

/** The body of an error in the shape of a door. */
export function renderError(
  door: Door,
  error: GatewayError,
  requestId: string,
): { type: string; text: string } {
  switch (door) {
    case 'openai':
      return { type: json, text: JSON.stringify(openaiError(error)) };
    case 'rest':
      return { type: 'application/problem+json', text: JSON.stringify(problem(error, requestId)) };
    case 'mcp': {
      const { kind } = error;
      const body = { code: error.row.mcp, message: error.message, data: { kind } };
      return { type: json, text: JSON.stringify({ jsonrpc: '2.0', id: null, error: body }) };
    }
  }
}

const tracePattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Header values must be visible ASCII; names of parameters come from callers and are anything. */
function headerText(text: string): string {
  return text
    .replace(/[^\x21-\x7e]+/g, (run) => encodeURIComponent(run.replace(/\p{Surrogate}/gu, '?')))
    .slice(0, 4096);
}
