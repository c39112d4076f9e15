import { classifyInboundRequest } from '@modelcontextprotocol/server';
import type { Era } from './dispatcher.js';

/** Who is to answer what was posted: malformed messages are for the later revision to refuse. */
export function eraOf(request: Request, body: unknown): Era {
  const version = request.headers.get('mcp-protocol-version');
  const mcpMethod = request.headers.get('mcp-method');
  const route = classifyInboundRequest({
    httpMethod: request.method,
    ...(version === null ? {} : { protocolVersionHeader: version }),
    ...(mcpMethod === null ? {} : { mcpMethodHeader: mcpMethod }),
    body,
  });
  return route.kind === 'legacy' ? 'legacy' : 'modern';
}
