import {
  ServerReflectionAlphaDefinition,
  ServerReflectionDefinition,
  grpcCode,
  methodsOf,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import { pluginFailure } from './plugin-failure.js';
import type { CallStatus, PluginTransport, TransportCall } from './transport.js';

const versions = [
  methodsOf(ServerReflectionDefinition).serverReflectionInfo,
  methodsOf(ServerReflectionAlphaDefinition).serverReflectionInfo,
];

/** Bounds of a conversation with a stranger. */
export interface ReflectionBounds {
  readonly signal: AbortSignal;
  /** For the whole conversation, in milliseconds. */
  readonly timeoutMs: number;
}

/** Most answers and bytes taken in one conversation. */
const maxAnswers = 2000;
const maxBytes = 16 * 1024 * 1024;
const maxServices = 1000;

/** Asks one question at a time over one reflection stream. */
export type Ask = (question: ServerReflectionRequest['messageRequest']) => Promise<ServerReflectionResponse>;

/**
 * Opens reflection (v1, else v1alpha), runs the conversation and closes it.
 * Endless, oversized or missing answers end it with an error.
 */
export async function converse<T>(
  transport: PluginTransport,
  bounds: ReflectionBounds,
  conversation: (ask: Ask) => Promise<T>,
): Promise<T> {
  for (const [index, method] of versions.entries()) {
    try {
      return await converseWith(transport, method, bounds, conversation);
    } catch (thrown) {
      if (thrown instanceof Unserved && index < versions.length - 1) continue;
      throw thrown instanceof Unserved
        ? new GatewayError('plugin_unavailable', 'the plugin serves no gRPC reflection (grpc.reflection.v1)')
        : thrown;
    }
  }
  throw new GatewayError('plugin_unavailable', 'no version of reflection is known');
}

class Unserved extends Error {}

async function converseWith<T>(
  transport: PluginTransport,
  method: (typeof versions)[number],
  { signal, timeoutMs }: ReflectionBounds,
  conversation: (ask: Ask) => Promise<T>,
): Promise<T> {
  let waiting: { resolve(answer: ServerReflectionResponse): void; reject(error: Error): void } | undefined;
  let ended: Error | undefined;
  let answers = 0;
  let bytes = 0;
  const fail = (error: Error): void => {
    ended ??= error;
    waiting?.reject(ended);
    waiting = undefined;
  };
  const call: TransportCall = transport.call(method.path, Date.now() + timeoutMs, {
    message: (message) => {
      answers += 1;
      bytes += message.length;
      if (waiting === undefined || answers > maxAnswers || bytes > maxBytes) {
        fail(new GatewayError('plugin_unavailable', 'the plugin answers reflection without end'));
        call.cancel();
        return;
      }
      const asked = waiting;
      waiting = undefined;
      try {
        asked.resolve(method.response.decode(message));
      } catch {
        const what = 'the plugin answers reflection with bytes that cannot be read';
        ended ??= new GatewayError('plugin_unavailable', what);
        asked.reject(ended);
        call.cancel();
      }
    },
    end: (status: CallStatus) => {
      fail(status.code === grpcCode.UNIMPLEMENTED ? new Unserved() : reflectionFailure(status, timeoutMs));
    },
  });
  const onAbort = (): void => {
    call.cancel();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await conversation(
      (question) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) reject(signal.reason as Error);
          else if (ended !== undefined) reject(ended);
          else {
            waiting = { resolve, reject };
            call.send(method.request.encode({ host: '', messageRequest: question }));
            call.read();
          }
        }),
    );
  } finally {
    signal.removeEventListener('abort', onAbort);
    call.halfClose();
    call.cancel();
  }
}

function reflectionFailure(status: CallStatus, timeoutMs: number): Error {
  if (status.code === grpcCode.DEADLINE_EXCEEDED) {
    return new GatewayError(
      'plugin_unavailable',
      `the plugin did not answer reflection within ${timeoutMs} ms`,
    );
  }
  return pluginFailure(status, 'reflection');
}

/** Full names of the services that a plugin serves, sorted. */
export async function listServices(transport: PluginTransport, bounds: ReflectionBounds): Promise<string[]> {
  return converse(transport, bounds, async (ask) => {
    const answer = await ask({ $case: 'listServices', value: '' });
    if (answer.messageResponse?.$case !== 'listServicesResponse') {
      throw new GatewayError('plugin_unavailable', 'the plugin does not list its services by reflection');
    }
    const { service } = answer.messageResponse.value;
    if (service.length > maxServices) {
      throw new GatewayError('plugin_unavailable', `the plugin lists more than ${maxServices} services`);
    }
    return service.map(({ name }) => name).sort();
  });
}
