import {
  LifecycleDefinition,
  methodsOf,
  type ConfigureRequest,
  type ConfigureResponse,
  type DrainResponse,
} from '@outrigger/proto';
import type { Handlers } from './caller.js';
import type { Calls } from './calls.js';
import { readConfig } from './config-reader.js';
import type { PluginInstance } from './instance.js';
import type { CallContext } from './plugin.js';
import { PluginError } from './plugin-error.js';

/** How long Shutdown may take when the host does not say, in milliseconds. */
export const defaultGrace = 5_000;

interface InForce {
  readonly request: ConfigureRequest;
  readonly response: ConfigureResponse;
}

/** Takes configurations, one at a time. */
function configurer(instance: PluginInstance) {
  let running = false;
  let inForce: InForce | undefined;
  return async (request: ConfigureRequest, context: CallContext): Promise<ConfigureResponse> => {
    if (running) throw new PluginError('CONFLICT', 'another Configure runs; try again when it has ended');
    running = true;
    try {
      const again =
        inForce?.request.generation === request.generation &&
        inForce.request.configJson === request.configJson;
      if (inForce === undefined || !again) {
        const config = await readConfig(instance.definition.config, request.configJson);
        const warnings = await instance.definition.configure?.(config, context);
        inForce = {
          request,
          response: { warnings: Array.isArray(warnings) ? [...(warnings as string[])] : [] },
        };
      }
      instance.configured = true;
      instance.work.setDraining(false);
      context.log.info('configured', { generation: request.generation });
      return inForce.response;
    } finally {
      running = false;
    }
  };
}

/** Reports the count in flight whenever it changes, until it is zero. */
async function* drain(instance: PluginInstance, context: CallContext): AsyncGenerator<DrainResponse> {
  const { work } = instance;
  work.setDraining(true);
  let wake: (() => void) | undefined;
  const notice = (): void => wake?.();
  const unwatch = work.watch(notice);
  context.signal.addEventListener('abort', notice, { once: true });
  try {
    let reported: number | undefined;
    for (;;) {
      if (context.signal.aborted) return;
      if (!work.draining) throw new PluginError('CONFLICT', 'a Configure has ended the drain');
      const { inFlight } = work;
      if (inFlight !== reported) {
        reported = inFlight;
        yield { inFlight };
        // The count may have changed while the caller read: look again before waiting.
        continue;
      }
      if (inFlight === 0) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unwatch();
    context.signal.removeEventListener('abort', notice);
  }
}

/** Lifecycle: configured, draining, gone. */
export function lifecycleService(instance: PluginInstance, calls: Calls): Handlers {
  const methods = methodsOf(LifecycleDefinition);
  const configure = configurer(instance);
  return {
    configure: calls.unary(methods.configure, {}, configure),
    drain: calls.stream(methods.drain, {}, (request, context) => {
      context.log.info('draining', { reason: request.reason, inFlight: instance.work.inFlight });
      return drain(instance, context);
    }),
    shutdown: calls.unary(methods.shutdown, {}, (request) => {
      instance.work.setDraining(true);
      // The answer leaves first: stopping cuts whatever is still open.
      setImmediate(() => instance.requestStop(request.graceMs === 0 ? defaultGrace : request.graceMs));
      return Promise.resolve({});
    }),
  };
}
