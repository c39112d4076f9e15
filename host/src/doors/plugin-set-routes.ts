import type { z } from 'zod';
import type { GatewayError } from '../errors/gateway-error.js';
import type { Exchange } from './http/exchange.js';
import type { Route } from './http/route.js';
import type { PluginStatus } from './ports.js';
import { additionSchema } from './rest/admin-schema.js';
import { pluginJson } from './shared/plugin-json.js';
import { validate } from './shared/validation.js';

/** A plugin that is to be added. */
export type PluginAddition = z.output<typeof additionSchema>;

/** Which plugins there are, as far as administrators decide. Both reject with GatewayError. */
export interface PluginSetPort {
  /** Adds a plugin until the host ends. It starts in the background. */
  add(addition: PluginAddition): Promise<PluginStatus>;
  /** Takes out one that was added; it drains in the background. */
  remove(name: string): Promise<void>;
}

/** Routes that add plugins to those of the configuration and take them out again. */
export function pluginSetRoutes(
  plugins: PluginSetPort,
  gate: (exchange: Exchange) => GatewayError | undefined,
): Route[] {
  return [
    {
      door: 'rest',
      method: 'POST',
      path: '/mcp/v1/plugins',
      handle: async (exchange, body) => {
        const refused = gate(exchange);
        if (refused !== undefined) throw refused;
        const added = await plugins.add(validate(additionSchema, body));
        exchange.sendJson(200, pluginJson(added));
      },
    },
    {
      door: 'rest',
      method: 'DELETE',
      path: '/mcp/v1/plugins/:name',
      handle: async (exchange, _body, { name = '' }) => {
        const refused = gate(exchange);
        if (refused !== undefined) throw refused;
        await plugins.remove(name);
        exchange.sendJson(200, { plugin: name, removed: true });
      },
    },
  ];
}
