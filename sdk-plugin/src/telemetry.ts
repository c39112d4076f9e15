import { TelemetryDefinition, methodsOf } from '@outrigger/proto';
import type { Handlers } from './caller.js';
import type { Calls } from './calls.js';
import type { PluginInstance } from './instance.js';

/** Telemetry, for plugins that measure. The count in flight is the SDK's own where the plugin leaves it out. */
export function telemetryService(instance: PluginInstance, calls: Calls): Handlers | undefined {
  const { definition } = instance;
  if (!definition.metrics) return undefined;
  return {
    getMetrics: calls.unary(
      methodsOf(TelemetryDefinition).getMetrics,
      { configured: true },
      async (_, context) => {
        const figures = await definition.metrics?.(context);
        return { samples: [], ...figures, inFlight: figures?.inFlight ?? instance.work.inFlight };
      },
    ),
  };
}
