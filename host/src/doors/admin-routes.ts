import type { JsonValue } from '@bufbuild/protobuf';
import type { z } from 'zod';
import { GatewayError } from '../errors/gateway-error.js';
import type { Exchange } from './http/exchange.js';
import type { Route } from './http/route.js';
import { SseWriter } from './http/sse-writer.js';
import type { PluginToolPort } from './plugin-tool-port.js';
import type { EventStatus, PluginStatus, SwapReport } from './ports.js';
import { swapSchema } from './rest/admin-schema.js';
import { sseEvent } from './rest/sse-event.js';
import { eventJson } from './shared/event-json.js';
import { pluginJson, swapJson } from './shared/plugin-json.js';
import { validate } from './shared/validation.js';
import { toolAnswer, type ToolPart } from './tool-content.js';

/** What administrators may do. All reject with GatewayError. */
export interface PluginAdminPort {
  get(name: string): PluginStatus;
  swap(name: string, options: SwapRequest, signal: AbortSignal): Promise<SwapReport>;
  drain(name: string): Promise<void>;
  restart(name: string, signal: AbortSignal): Promise<void>;
}

/** How a swap is to be made. */
export interface SwapRequest {
  readonly command: readonly string[] | undefined;
  readonly address: string | undefined;
  readonly canaryShare: number | undefined;
  readonly canaryMs: number | undefined;
  readonly canaryRequests: number | undefined;
  readonly bakeMs: number | undefined;
}

/** What happened, past and to come. */
export interface EventPort {
  /** Tells this run of the host from others, whose ids count from 1 as well. */
  readonly run: string;
  since(id: number, limit?: number): readonly EventStatus[];
  follow(follower: (event: EventStatus) => void): () => void;
}

/** What the routes work with. */
export interface AdminRoutePorts {
  readonly plugins: PluginAdminPort;
  readonly events: EventPort;
  readonly tools: PluginToolPort;
  /** Longest call of a tool in milliseconds. */
  readonly toolTimeoutMs: number;
  /** The reason why a request may not administer, or undefined. */
  readonly gate: (exchange: Exchange) => GatewayError | undefined;
}

/** Most clients that follow the events at the same time. */
const maxFollowers = 500;

/** Routes of administration, events and plugins' tools. */
export function adminRoutes(ports: AdminRoutePorts): Route[] {
  const { plugins, events, tools } = ports;
  const guarded =
    (handle: Route['handle']): Route['handle'] =>
    (exchange, ...rest) => {
      const refused = ports.gate(exchange);
      if (refused !== undefined) throw refused;
      return handle(exchange, ...rest);
    };
  const door = 'rest';
  const followers = new Set<Exchange>();
  const show = (exchange: Exchange, name: string): void =>
    exchange.sendJson(200, pluginJson(plugins.get(name)));
  return [
    {
      door,
      method: 'GET',
      path: '/mcp/v1/events',
      handle: (exchange, _body, _params, query) => tellEvents(exchange, events, query, followers),
    },
    {
      door,
      method: 'GET',
      path: '/mcp/v1/tools',
      handle: (exchange) => exchange.sendJson(200, { tools: tools.list().map(toolJson) }),
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/tools/:name',
      counted: true,
      handle: (exchange, body, params) => callTool(exchange, ports, params['name'] ?? '', body),
    },
    {
      door,
      method: 'GET',
      path: '/mcp/v1/plugins/:name',
      handle: (exchange, _body, params) => show(exchange, params['name'] ?? ''),
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/plugins/:name/swap',
      handle: guarded(async (exchange, body, params) => {
        const request = swapRequest(validate(swapSchema, body));
        exchange.sendJson(200, swapJson(await plugins.swap(params['name'] ?? '', request, exchange.signal)));
      }),
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/plugins/:name/drain',
      handle: guarded(async (exchange, _body, params) => {
        await plugins.drain(params['name'] ?? '');
        show(exchange, params['name'] ?? '');
      }),
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/plugins/:name/restart',
      handle: guarded(async (exchange, _body, params) => {
        await plugins.restart(params['name'] ?? '', exchange.signal);
        show(exchange, params['name'] ?? '');
      }),
    },
  ];
}

/** The past as JSON, or past and future as a stream (`?follow=true` or `Accept: text/event-stream`). */
function tellEvents(
  exchange: Exchange,
  events: EventPort,
  query: URLSearchParams,
  followers: Set<Exchange>,
): void {
  const since = sinceOf(query.get('since'), String(exchange.request.headers['last-event-id'] ?? ''), events);
  if (!Number.isSafeInteger(since) || since < 0) {
    throw new GatewayError('invalid_request', '`since` must be the id of an event', { param: 'since' });
  }
  const stream = query.get('follow') === 'true' || exchange.request.headers.accept === 'text/event-stream';
  if (!stream) {
    exchange.sendJson(200, { events: events.since(since).map(eventJson) });
    return;
  }
  if (followers.size >= maxFollowers) {
    const message = `${maxFollowers} clients follow the events already`;
    throw new GatewayError('rate_limited', message, { retryAfterMs: 5000 });
  }
  followers.add(exchange);
  exchange.response.once('close', () => followers.delete(exchange));
  // An id that is yet to come is of a host before this one.
  let last = since > (events.since(0, 1).at(-1)?.id ?? 0) ? 0 : since;
  let held = false;
  let stop = (): void => undefined;
  // A reader that is behind is told again from the log, which is bounded, and not from a queue.
  const catchUp = (): void => {
    for (const event of events.since(last)) {
      if (held || writer.isEnded) return;
      last = event.id;
      writer.write(`id: ${event.id}-${events.run}\n${sseEvent(event.type, eventJson(event))}`);
    }
  };
  const writer = new SseWriter(exchange, {
    pause: () => {
      held = true;
    },
    resume: () => {
      held = false;
      catchUp();
    },
    cancel: () => stop(),
  });
  stop = events.follow(catchUp);
  // A client listens for as long as it lives; that is no work to wait for when the host stops.
  exchange.host.active.delete(exchange);
  // Without this a client that has missed nothing would hear nothing until the first keep-alive.
  writer.write(': connected\n\n');
  if (writer.isEnded) stop();
  catchUp();
}

/** The id in the query, or the one that a browser kept: `12-run`, of which only those of this run count. */
function sinceOf(query: string | null, header: string, { run }: EventPort): number {
  const [id, ofRun = run] = header.split('-');
  return Number(query ?? (ofRun === run ? id : 0));
}

function swapRequest(body: z.output<typeof swapSchema>): SwapRequest {
  return {
    command: body.command,
    address: body.address,
    canaryShare: body.canary_share,
    canaryMs: body.canary_ms,
    canaryRequests: body.canary_requests,
    bakeMs: body.bake_ms,
  };
}

async function callTool(
  exchange: Exchange,
  ports: AdminRoutePorts,
  name: string,
  body: unknown,
): Promise<void> {
  const tool = ports.tools.list().find((one) => one.name === name);
  if (tool === undefined)
    throw new GatewayError('not_found', `there is no tool named ${JSON.stringify(name)}`, { param: 'name' });
  const answer = await ports.tools.call(name, body as never, {
    signal: exchange.signal,
    timeoutMs: ports.toolTimeoutMs,
  });
  if (!tool.typedContent) {
    exchange.sendJson(200, { tool: name, plugin: tool.plugin, result: answer });
    return;
  }
  const { parts, structured, isError } = toolAnswer(answer as JsonValue);
  exchange.sendJson(200, {
    tool: name,
    plugin: tool.plugin,
    content: parts.map(partJson),
    structured: structured ?? null,
    is_error: isError,
  });
}

/** A part of a tool's answer in the spelling of REST; MCP has one of its own. */
function partJson(part: ToolPart): object {
  return part.type === 'resource' ? { ...part, resource: spelt(part.resource) } : spelt(part);
}

function spelt(part: object): object {
  const { mimeType, ...rest } = part as { readonly mimeType?: string };
  return mimeType === undefined ? rest : { ...rest, mime_type: mimeType };
}

function toolJson(tool: ReturnType<PluginToolPort['list']>[number]): object {
  return {
    name: tool.name,
    plugin: tool.plugin,
    title: tool.title,
    description: tool.description,
    input_schema: tool.inputSchema,
    output_schema: tool.outputSchema,
    streaming: tool.streaming,
    read_only: tool.readOnly,
    destructive: tool.destructive,
    idempotent: tool.idempotent,
    open_world: tool.openWorld,
  };
}
