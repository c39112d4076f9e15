import { methodsOf, type Method } from '@outrigger/proto';
import type { Handler, Handlers } from './caller.js';
import type { Calls } from './calls.js';
import type { AnyPluginService, CallContext } from './plugin.js';

type Unary = (request: unknown, context: CallContext) => Promise<unknown>;
type Streaming = (request: unknown, context: CallContext) => AsyncIterable<unknown>;

/** A service of the plugin's own: its calls are work like inference. */
export function ownService(service: AnyPluginService, calls: Calls): Handlers {
  const rules = { work: true, configured: true } as const;
  const methods: Record<string, Method<unknown, unknown>> = methodsOf(service.definition);
  const implementation: Record<string, Handler> = {};
  for (const [key, method] of Object.entries(methods)) {
    const handler = (service.handlers as Readonly<Record<string, unknown>>)[key];
    if (method.requestStream) {
      throw new TypeError(`${method.path}: client streams are not supported; take one request message`);
    }
    if (typeof handler !== 'function') throw new TypeError(`${method.path}: there is no handler ${key}`);
    implementation[key] = method.responseStream
      ? calls.stream(method, rules, handler as Streaming)
      : calls.unary(method, rules, handler as Unary);
  }
  return implementation;
}
