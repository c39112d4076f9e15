import type { Method, RequestContext } from '@outrigger/proto';
import type { Caller, Handler } from './caller.js';
import type { Log } from './log.js';
import { OpenCall } from './open-call.js';
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

/** Makes handlers of a plugin's functions. All bytes and all errors pass through here. */
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
  ): Handler {
    return this.#handler(method, rules, false, async (caller, open, request, isAnswered) => {
      const response = method.response.encode(await run(request, open.context));
      if (!isAnswered()) caller.write(response);
    });
  }

  /** A server-streaming method; without framing every item is a message. */
  stream<Request, Item, Response = Item>(
    method: Method<Request, Response>,
    rules: CallRules<Request>,
    run: (request: Request, context: CallContext) => AsyncIterable<Item>,
    framing: (request: Request, encode: (message: Response) => Buffer) => Framing<Item> = (_, encode) =>
      plainFraming(encode as (item: unknown) => Buffer),
  ): Handler {
    const encode = (message: Response): Buffer => method.response.encode(message);
    return this.#handler(method, rules, true, (caller, open, request) =>
      pump(caller, open, run(request, open.context), framing(request, encode)),
    );
  }

  /** The one way of a call: open, answered once, closed when its work has really ended. */
  #handler<Request>(
    method: Method<Request, unknown>,
    rules: CallRules<Request>,
    streams: boolean,
    answer: (caller: Caller, open: OpenCall, request: Request, isAnswered: () => boolean) => Promise<void>,
  ): Handler {
    const handle = (bytes: Buffer, caller: Caller): void => {
      let open: OpenCall | undefined;
      let answered = false;
      const fail = (error: unknown): void => {
        this.#note(error, open, method.path);
        if (answered) return;
        answered = true;
        caller.fail(statusOf(error, open));
      };
      const work = async (): Promise<void> => {
        try {
          const request = decode(method, bytes);
          open = this.#open(caller, rules, request);
          open.onAbort(fail);
          await answer(caller, open, request, () => answered);
          if (answered || open.aborted) return;
          answered = true;
          caller.end();
        } catch (error) {
          fail(error);
        } finally {
          open?.close();
        }
      };
      void work();
    };
    return { streams, handle };
  }

  #open<Request>(caller: Caller, rules: CallRules<Request>, request: Request): OpenCall {
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
    const requestId = context?.requestId ?? caller.requestId;
    return new OpenCall(caller, work, log, rules.work === true, requestId);
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
