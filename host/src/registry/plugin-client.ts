import {
  IdentityDefinition,
  InferenceDefinition,
  LifecycleDefinition,
  ModelsDefinition,
  TelemetryDefinition,
  grpcCode,
  methodsOf,
  type Method,
} from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import { pluginFailure } from './plugin-failure.js';
import type { CallSink, CallStatus, PluginTransport, TransportCall } from './transport.js';

/** The contract's methods. */
export const contract = {
  identity: methodsOf(IdentityDefinition),
  lifecycle: methodsOf(LifecycleDefinition),
  models: methodsOf(ModelsDefinition),
  inference: methodsOf(InferenceDefinition),
  telemetry: methodsOf(TelemetryDefinition),
} as const;

/** How long a call may take and who may end it. */
export interface CallBounds {
  /** Milliseconds; undefined for calls that may last, such as loading a model. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Typed calls to one plugin instance. Errors are GatewayErrors. */
export class PluginClient {
  constructor(
    readonly plugin: string,
    private readonly transport: PluginTransport,
  ) {}

  /** Calls a unary method. */
  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    bounds: CallBounds,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      let response: Response | undefined;
      let failure: GatewayError | undefined;
      const call = this.begin(method, request, bounds, {
        message: (bytes) => {
          try {
            // There is one answer; the end behind a second one would never be heard.
            if (response !== undefined) throw new Error('a second answer');
            response = method.response.decode(bytes);
            call.read();
          } catch {
            failure = this.unreadable(method.path);
            call.cancel();
          }
        },
        end: (status) => {
          if (failure !== undefined) reject(failure);
          else if (status.code !== grpcCode.OK) reject(this.failure(status, bounds));
          else if (response === undefined) reject(this.unreadable(method.path));
          else resolve(response);
        },
      });
      call.read();
    });
  }

  /** Calls a server-streaming method; leaving the loop ends the call. */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    bounds: CallBounds,
  ): AsyncGenerator<Response, void, undefined> {
    let message: Buffer | undefined;
    let status: CallStatus | undefined;
    let wake: () => void = () => undefined;
    const call = this.begin(method, request, bounds, {
      message: (bytes) => {
        message = bytes;
        wake();
      },
      end: (ended) => {
        status = ended;
        wake();
      },
    });
    try {
      for (;;) {
        call.read();
        await new Promise<void>((resolve) => {
          wake = resolve;
          // Both may have come while nobody waited.
          if (message !== undefined || status !== undefined) resolve();
        });
        if (message !== undefined) {
          const bytes: Buffer = message;
          message = undefined;
          yield this.decode(method, bytes);
        } else if (status !== undefined) {
          if (status.code !== grpcCode.OK) throw this.failure(status, bounds);
          return;
        }
      }
    } finally {
      if (status === undefined) call.cancel();
    }
  }

  /** Begins a call with its one request; the caller reads and listens itself. */
  begin<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    bounds: CallBounds,
    sink: CallSink,
  ): TransportCall {
    const { signal, timeoutMs } = bounds;
    const deadline = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
    const bytes = method.request.encode(request);
    if (signal === undefined) return this.transport.invoke(method.path, bytes, deadline, sink);
    const onAbort = (): void => {
      call.cancel();
    };
    const call = this.transport.invoke(method.path, bytes, deadline, {
      message: (answer) => {
        sink.message(answer);
      },
      end: (status) => {
        signal.removeEventListener('abort', onAbort);
        sink.end(status);
      },
    });
    if (signal.aborted) call.cancel();
    else signal.addEventListener('abort', onAbort, { once: true });
    return call;
  }

  /** What a failed call is to the caller; a local abort stays the caller's own reason. */
  failure(status: CallStatus, bounds: CallBounds = {}): GatewayError {
    if (bounds.signal?.aborted === true) {
      const reason: unknown = bounds.signal.reason;
      return reason instanceof GatewayError
        ? reason
        : new GatewayError('cancelled', 'the request was cancelled', { plugin: this.plugin });
    }
    return pluginFailure(status, this.plugin);
  }

  private decode<Request, Response>(method: Method<Request, Response>, bytes: Buffer): Response {
    try {
      return method.response.decode(bytes);
    } catch {
      throw this.unreadable(method.path);
    }
  }

  private unreadable(path: string): GatewayError {
    return new GatewayError(
      'internal',
      `plugin ${this.plugin} answered ${path} with bytes that cannot be read`,
      {
        plugin: this.plugin,
      },
    );
  }
}
