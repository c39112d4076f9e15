import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import type { Method } from '@outrigger/proto';
import { RpcError } from './rpc-error.js';

/** How a single call is made. */
export interface CallOptions {
  /** Aborting cancels the call. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds. Default 10 seconds. */
  readonly deadlineMs?: number;
  /** Headers of the call. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const defaultDeadline = 10_000;

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  return metadata;
}

/** Calls any method over one channel. */
export class Transport {
  readonly #client: Client;

  /** `address` as servePlugin returns it. */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 50,
    });
  }

  /** @throws RpcError */
  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        (message: Request) => method.request.encode(message),
        (bytes) => method.response.decode(bytes),
        request,
        metadataOf(options),
        { deadline: Date.now() + (options.deadlineMs ?? defaultDeadline) },
        (error, response) => {
          options.signal?.removeEventListener('abort', cancel);
          if (error !== null) reject(new RpcError(error));
          else if (response === undefined) reject(new Error(`${method.path}: an answer without a message`));
          else resolve(response);
        },
      );
      const cancel = (): void => call.cancel();
      options.signal?.addEventListener('abort', cancel, { once: true });
      if (options.signal?.aborted === true) cancel();
    });
  }

  /**
   * The messages of a server-streaming call. Leaving the loop cancels the call.
   * @throws RpcError
   */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void, undefined> {
    const call = this.#client.makeServerStreamRequest(
      method.path,
      (message: Request) => method.request.encode(message),
      (bytes) => method.response.decode(bytes),
      request,
      metadataOf(options),
      { deadline: Date.now() + (options.deadlineMs ?? defaultDeadline) },
    );
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
    if (options.signal?.aborted === true) cancel();
    try {
      for await (const message of call) yield message as Response;
    } catch (error) {
      throw error instanceof Error && 'metadata' in error ? new RpcError(error as ServiceError) : error;
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      // Leaving the loop alone does not end the call; an error of a call that we end is of no interest.
      call.on('error', () => undefined);
      cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}
