import { createMcpHandler, type ServerContext } from '@modelcontextprotocol/server';
import { carried, carry } from './carried-exchange.js';
import type { Dispatcher } from './dispatcher.js';
import type { HttpExchange } from './exchange.js';
import { createModernServer } from './modern-server.js';

/** Serves revision 2026-07-28 over HTTP: stateless, one server per request. */
export class ModernAdapter {
  readonly #handler: ReturnType<typeof createMcpHandler>;
  readonly #stop: (() => void)[];

  constructor(dispatcher: Dispatcher) {
    const { catalog, limits, logger } = dispatcher.options;
    this.#handler = createMcpHandler(() => createModernServer(dispatcher, 'modern', exchangeOf), {
      legacy: 'reject',
      keepAliveMs: limits.keepAliveMs,
      maxSubscriptions: limits.subscriptions,
      maxRequestBodySize: limits.bodyBytes,
      onerror: (error) => logger.debug({ err: error }, 'MCP request refused'),
    });
    this.#stop = [
      catalog.onToolsChanged(() => this.#handler.notify.toolsChanged()),
      catalog.onResourcesChanged(() => this.#handler.notify.resourcesChanged()),
    ];
  }

  handle(request: Request, body: unknown, exchange: HttpExchange): Promise<Response> {
    return this.#handler.fetch(request, { parsedBody: body, authInfo: carry(exchange) });
  }

  /** Ends subscriptions with their result and aborts what still runs. */
  async close(): Promise<void> {
    for (const stop of this.#stop) stop();
    await this.#handler.close();
  }
}

function exchangeOf(context: ServerContext): HttpExchange {
  return carried(context.http?.authInfo);
}
