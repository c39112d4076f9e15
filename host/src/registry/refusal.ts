import { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance } from './instance.js';

/** Why an instance does not take over. */
export function refused(next: PluginInstance, why: string): GatewayError {
  const { plugin, version } = next;
  return new GatewayError('conflict', `version ${version} of plugin ${plugin} was refused: ${why}`, {
    plugin,
  });
}
