import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventData } from '../event-stream.js';
import { createMcpDoor, type McpDoor, type McpDoorOptions } from '../http-endpoint.js';
import { createToolCatalog, type ToolCatalog, type ToolProvider } from '../tool-catalog.js';
import { inferenceTools } from '../tools/inference-tools.js';
import { inferenceResources } from '../tools/resources.js';
import { fakePort, memoryLogger, type FakePort } from './fake-port.js';

/** A JSON object that a test sends. */
export type Json = Record<string, unknown>;

/** A message as tests look at it: what is not there fails the test that asks for it. */
export interface Message {
  readonly jsonrpc: string;
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params: { readonly message: string; readonly progress: number };
  readonly error: { readonly code: number; readonly message: string };
  readonly result: {
    readonly tools: readonly { readonly name: string }[];
    readonly nextCursor?: string;
    readonly content: readonly { readonly text: string }[];
    readonly structuredContent: {
      readonly text: string;
      readonly finish_reason: string;
      readonly model: string;
    };
    readonly isError?: boolean;
    readonly contents: readonly { readonly text: string }[];
    readonly resources: readonly { readonly uri: string }[];
    readonly resourceTemplates: readonly { readonly uriTemplate: string }[];
    readonly completion: { readonly values: readonly string[] };
    readonly supportedVersions: readonly string[];
    readonly capabilities: { readonly tools: unknown };
    readonly protocolVersion: string;
    readonly serverInfo: { readonly name: string };
  };
}

/** A door on a port of its own. */
export interface DoorServer extends AsyncDisposable {
  readonly url: string;
  readonly door: McpDoor;
  readonly port: FakePort;
  readonly catalog: ToolCatalog;
  /** Posts any body; the answer as it is. */
  post(body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  /** Posts a request of revision 2026-07-28. */
  modern(
    method: string,
    params?: Json,
    extra?: { meta?: Json; signal?: AbortSignal; id?: string | number; headers?: Record<string, string> },
  ): Promise<Response>;
  /** Begins a session of revision 2025-11-25; resolves with its headers. */
  initialize(headers?: Record<string, string>): Promise<Record<string, string>>;
}

/** Starts a door with the product's own tools over a fake host. */
export async function startDoor(
  options: Partial<McpDoorOptions> & { port?: FakePort; providers?: readonly ToolProvider[] } = {},
): Promise<DoorServer> {
  const logger = options.logger ?? memoryLogger();
  const port = options.port ?? fakePort();
  const catalog = createToolCatalog({
    info: { name: 'outrigger', version: '0.0.0' },
    tools: inferenceTools(port),
    resources: [inferenceResources(port)],
    providers: options.providers ?? [],
    logger,
  });
  const door = createMcpDoor({ catalog, ...options, logger });
  const server = createServer((req, res) => void door.handler(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const post: DoorServer['post'] = (body, headers = {}, signal) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  return {
    url,
    door,
    port,
    catalog,
    post,
    modern: (method, params = {}, extra = {}) =>
      post(
        modernRequest(method, params, extra.id ?? 1, extra.meta),
        { ...modernHeaders(method, params), ...extra.headers },
        extra.signal,
      ),
    async initialize(headers = {}) {
      const response = await post(initializeRequest, headers);
      const session = response.headers.get('mcp-session-id') ?? '';
      await response.text();
      const own = { ...headers, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
      await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, own).then((told) => told.text());
      return own;
    },
    async [Symbol.asyncDispose]() {
      await door.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      catalog.close();
    },
  };
}

/** What a client of revision 2025-11-25 begins with. */
export const initializeRequest = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  },
};

/** A request of revision 2026-07-28. */
export function modernRequest(method: string, params: Json, id: string | number, meta: Json = {}): Json {
  return {
    jsonrpc: '2.0',
    id,
    method,
    params: {
      ...params,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
        ...meta,
      },
    },
  };
}

function modernHeaders(method: string, params: Json): Record<string, string> {
  const name = params.name ?? params.uri;
  return {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
  };
}

/** Every message of an answer, whether JSON or an event stream. */
export async function messagesOf(response: Response): Promise<Message[]> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    const text = await response.text();
    return text === '' ? [] : [JSON.parse(text) as Message];
  }
  const messages: Message[] = [];
  for await (const data of eventData(response.body as unknown as AsyncIterable<Uint8Array>))
    messages.push(JSON.parse(data) as Message);
  return messages;
}

/** The last message of an answer: the response itself. */
export async function answerOf(response: Promise<Response>): Promise<Message> {
  const answer = (await messagesOf(await response)).at(-1);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

/** Waits until something is true; fails after five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
