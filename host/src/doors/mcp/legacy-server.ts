/* eslint-disable @typescript-eslint/no-deprecated -- the low-level server is meant here: the other takes no raw JSON Schema and converts per request */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  CancelledNotificationSchema,
  CompleteRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js';
import type { jsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/types.js';
import { carried } from './carried-exchange.js';
import { McpCatalogError } from './catalog.js';
import type { CallOrigin, Dispatcher, Wire } from './dispatcher.js';
import { explainParameterFaults } from './parameter-faults.js';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** What the SDK keeps to itself and we must reach; its version is pinned, and tests cancel request 0. */
interface ServerInternals {
  readonly _requestHandlerAbortControllers: Map<string | number, AbortController>;
}
interface TransportInternals {
  readonly _requestToStreamMapping: Map<string | number, string>;
}

/** The code that revisions up to 2025-11-25 have for a resource that is not there. */
const RESOURCE_NOT_FOUND = -32002;

/**
 * A server of the maintenance SDK, one per session. The validator is shared: without it
 * every server builds an Ajv of its own, a quarter of the cost of a request.
 */
export function createLegacyServer(dispatcher: Dispatcher, validator: jsonSchemaValidator): Server {
  const { catalog } = dispatcher.options;
  const server = new Server(
    { ...catalog.info },
    {
      capabilities: dispatcher.capabilities,
      jsonSchemaValidator: validator,
      ...(catalog.instructions === undefined ? {} : { instructions: catalog.instructions }),
    },
  );
  const { lists } = dispatcher;
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => lists.tools(params?.cursor, 'legacy'));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) =>
    dispatcher.callTool(params.name, params.arguments, origin(extra)),
  );
  server.setRequestHandler(ListResourcesRequestSchema, ({ params }) => lists.resources(params?.cursor));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, ({ params }) =>
    lists.resourceTemplates(params?.cursor),
  );
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }, extra) =>
    dispatcher.readResource(params.uri, origin(extra)).catch((thrown: unknown) => {
      if (!(thrown instanceof McpCatalogError) || thrown.kind !== 'unknown_resource') throw thrown;
      throw Object.assign(new Error(thrown.message), { code: RESOURCE_NOT_FOUND, data: thrown.data });
    }),
  );
  if (catalog.prompts().length > 0) {
    server.setRequestHandler(ListPromptsRequestSchema, ({ params }) => lists.prompts(params?.cursor));
    server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) =>
      dispatcher.getPrompt(params.name, params.arguments, origin(extra)),
    );
  }
  if (catalog.complete) {
    server.setRequestHandler(CompleteRequestSchema, ({ params }, extra) =>
      dispatcher.complete(params as Wire, origin(extra)),
    );
  }
  explainParameterFaults(server);
  // The SDK takes a request id of 0 for none and would not cancel it.
  server.setNotificationHandler(CancelledNotificationSchema, (notification) => {
    const { requestId, reason } = notification.params;
    if (requestId === undefined) return;
    const { _requestHandlerAbortControllers: running } = server as unknown as ServerInternals;
    running.get(requestId)?.abort(reason);
    endStreamOf(server, requestId);
  });
  return server;
}

/** A cancelled request gets no answer: its stream would stay open, and on the books, for ever. */
function endStreamOf(server: Server, requestId: string | number): void {
  const { transport } = server;
  if (!(transport instanceof WebStandardStreamableHTTPServerTransport)) return;
  const { _requestToStreamMapping: streams } = transport as unknown as TransportInternals;
  const stream = streams.get(requestId);
  const isShared = [...streams].some(([id, other]) => other === stream && id !== requestId);
  if (!isShared) transport.closeSSEStream(requestId);
  streams.delete(requestId);
}

function origin(extra: Extra): CallOrigin {
  return {
    era: 'legacy',
    exchange: carried(extra.authInfo),
    signal: extra.signal,
    meta: extra._meta,
    notifyProgress: (params) => extra.sendNotification({ method: 'notifications/progress', params }),
  };
}
