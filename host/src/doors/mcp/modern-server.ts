/* eslint-disable @typescript-eslint/no-deprecated -- the low-level server is meant here: the other takes no raw JSON Schema and converts per request */

import { Server, type ServerContext } from '@modelcontextprotocol/server';
import type { CallOrigin, Dispatcher, Era, Wire } from './dispatcher.js';
import type { Exchange } from './exchange.js';
import { explainParameterFaults } from './parameter-faults.js';

/**
 * A server of the current SDK that carries every request to the dispatcher. It is low-level
 * on purpose: the convenient one converts schemas per request and takes no raw JSON Schema.
 * One per HTTP request of the modern era, one per connection on stdio (either era).
 */
export function createModernServer(
  dispatcher: Dispatcher,
  era: Era,
  exchangeOf: (context: ServerContext) => Exchange,
): Server {
  const { catalog } = dispatcher.options;
  const server = new Server(
    { ...catalog.info },
    {
      capabilities: dispatcher.capabilities,
      ...(catalog.instructions === undefined ? {} : { instructions: catalog.instructions }),
    },
  );
  const origin = (context: ServerContext): CallOrigin => ({
    era,
    exchange: exchangeOf(context),
    signal: context.mcpReq.signal,
    meta: context.mcpReq._meta,
    notifyProgress: (params) => context.mcpReq.notify({ method: 'notifications/progress', params }),
  });
  const { lists } = dispatcher;
  server.setRequestHandler('tools/list', ({ params }) => as(lists.tools(params?.cursor, era)));
  server.setRequestHandler('tools/call', async ({ params }, context) =>
    as(await dispatcher.callTool(params.name, params.arguments, origin(context))),
  );
  server.setRequestHandler('resources/list', ({ params }) => as(lists.resources(params?.cursor)));
  server.setRequestHandler('resources/templates/list', ({ params }) =>
    as(lists.resourceTemplates(params?.cursor)),
  );
  server.setRequestHandler('resources/read', async ({ params }, context) =>
    as(await dispatcher.readResource(params.uri, origin(context))),
  );
  if (catalog.prompts().length > 0) {
    server.setRequestHandler('prompts/list', ({ params }) => as(lists.prompts(params?.cursor)));
    server.setRequestHandler('prompts/get', async ({ params }, context) =>
      as(await dispatcher.getPrompt(params.name, params.arguments, origin(context))),
    );
  }
  if (catalog.complete) {
    server.setRequestHandler('completion/complete', async ({ params }, context) =>
      as(await dispatcher.complete(params as unknown as Wire, origin(context))),
    );
  }
  explainParameterFaults(server);
  return server;
}

/** The dispatcher's messages are the protocol's; the SDK checks their shape before they go out. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller infers it
function as<T>(message: Wire): T {
  return message as T;
}
