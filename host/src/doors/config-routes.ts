import type { GatewayError } from '../errors/gateway-error.js';
import type { Exchange } from './http/exchange.js';
import type { Route } from './http/route.js';

/** What the route works with. */
export interface ConfigRoutePorts {
  /** Reads and takes the configuration again; rejects with GatewayError. */
  readonly reload: () => Promise<object>;
  /** The reason why a request may not administer, or undefined. */
  readonly gate: (exchange: Exchange) => GatewayError | undefined;
}

/** The route that takes the configuration again. */
export function configRoutes({ reload, gate }: ConfigRoutePorts): Route[] {
  return [
    {
      door: 'rest',
      method: 'POST',
      path: '/mcp/v1/config/reload',
      handle: async (exchange) => {
        const refused = gate(exchange);
        if (refused !== undefined) throw refused;
        exchange.sendJson(200, await reload());
      },
    },
  ];
}
