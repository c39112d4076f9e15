import type { ServerUnaryCall, ServerWritableStream, UntypedHandleCall, sendUnaryData } from '@grpc/grpc-js';
import type { Method, RequestContext } from '@outrigger/proto';
import type { Log } from './log.js';
import { OpenCall, type ServerSurface } from './open-call.js';
import type { CallContext } from './plugin.js';
import { PluginError } from './plugin-error.js';
import { plainFraming, pump, type Framing } from './pump.js';
import { isUnexpected, statusOf } from './status.js';
import type { Work } from './work.js';

/** How calls of a method are treated. */
export interface CallRules<Request> {
  /** It is work: a drain waits for it, and a draining plugin refuses it. */
  readonly work?: boolean;
  /** It needs the plugin to be configured. */
  readonly configured?: boolean;
  /** Where the request says its id and the instance that it means. */
  readonly context?: (request: Request) => RequestContext | undefined;
}

/** What calls need to know of their plugin. */
export interface CallHost {
  readonly instanceId: string;
  readonly work: Work;
  readonly log: Log;
  /** Configured, or in no need of it. */
  readonly configured: boolean;
}

/** Wraps handlers for grpc-js. All bytes and all errors pass through here. */
export class Calls {
  readonly #host: CallHost;

  constructor(host: CallHost) {
    this.#host = host;
  }

  /** A unary method. */
  unary<Request, Response>(
    method: Method<Request, Response>,
    rules: CallRules<Request>,
    run: (request: Request, context: CallContext) => Promise<Response>,
  ): UntypedHandleCall {
    return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      let open: OpenCall | undefined;
      let answered = false;
      const fail = (error: unknown): void => {
        this.#note(error, open, method.path);
        if (answered) return;
        answered = true;
        callback(statusOf(error, open));
      };
      const answer = async (): Promise<void> => {
        const request = decode(method, call.request);
        open = this.#open(call, rules, request);
        open.onAbort(fail);
        const response = method.response.encode(await run(request, open.context));
        if (answered) return;
        answered = true;
        callback(null, response);
      };
      void answer()
        .catch(fail)
        .finally(() => open?.close());
    };
  }

  /** A server-streaming method; without framing every item is a message. */
  stream<Request, Item, Response = Item>(
    method: Method<Request, Response>,
    rules: CallRules<Request>,
    run: (request: Request, context: CallContext) => AsyncIterable<Item>,
    framing: (request: Request, encode: (message: Response) => Buffer) => Framing<Item> = (_, encode) =>
      plainFraming(encode as (item: unknown) => Buffer),
  ): UntypedHandleCall {
    return (call: ServerWritableStream<Buffer, Buffer>) => {
      let open: OpenCall | undefined;
      let answered = false;
      const fail = (error: unknown): void => {
        this.#note(error, open, method.path);
        if (answered) return;
        answered = true;
        call.emit('error', statusOf(error, open));
      };
      const answer = async (): Promise<void> => {
        const request = decode(method, call.request);
        open = this.#open(call, rules, request);
        open.onAbort(fail);
        const encode = (message: Response): Buffer => method.response.encode(message);
        await pump(call, open, run(request, open.context), framing(request, encode));
        if (open.aborted) return;
        answered = true;
        call.end();
      };
      void answer()
        .catch(fail)
        .finally(() => open?.close());
    };
  }

  #open<Request>(call: ServerSurface, rules: CallRules<Request>, request: Request): OpenCall {
    const { instanceId, work, log, configured } = this.#host;
    const context = rules.context?.(request);
    const meant = context?.instanceId ?? '';
    if (meant !== '' && meant !== instanceId) {
      throw new PluginError(
        'INSTANCE_MISMATCH',
        `this is instance ${instanceId}, the request means ${meant}`,
      );
    }
    if (rules.work === true && work.draining) {
      throw new PluginError('DRAINING', 'the plugin is draining; send the request to its successor');
    }
    if (rules.configured === true && !configured) {
      throw new PluginError('STARTING', 'the plugin is not configured yet: call Lifecycle.Configure first');
    }
    const requestId = context?.requestId ?? call.metadata.get('x-request-id')[0]?.toString() ?? '';
    return new OpenCall(call, work, log, rules.work === true, requestId);
  }

  #note(error: unknown, open: OpenCall | undefined, path: string): void {
    const log = open?.context.log ?? this.#host.log;
    if (isUnexpected(error, open)) log.error('a handler failed', { method: path, error });
    else log.debug('a call ended with an error', { method: path, error: String(error) });
  }
}

function decode<Request>(method: Method<Request, unknown>, bytes: Buffer): Request {
  try {
    return method.request.decode(bytes);
  } catch (cause) {
    throw new PluginError('INVALID_REQUEST', 'the request is not a message of the expected type', { cause });
  }
}
