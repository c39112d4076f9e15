import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { grpcCode, type Method } from '@outrigger/proto';
import { parseAddress, readPem, type EndpointSettings } from '../config.js';

/** How long a server may take to end a stream after its last message, in milliseconds. */
const closingMs = 1_000;

/** An error as the server or the transport told it; `failure.ts` finds out what it means. */
export class ServerError extends Error {
  /** A canonical gRPC code; OK when the error came inside a stream and its code was lost. */
  readonly code: number;
  /** Inside a stream: the model itself failed (and not the check of the request). */
  readonly fromModel: boolean;

  constructor(code: number, message: string, fromModel = false) {
    super(message);
    this.name = 'ServerError';
    this.code = code;
    this.fromModel = fromModel;
  }
}

/** How long a call may take: until the signal aborts or the deadline (milliseconds since the epoch) passes. */
export interface Wait {
  readonly signal: AbortSignal;
  readonly deadline: number;
}

function credentialsOf(settings: EndpointSettings, secure: boolean) {
  const { tls } = settings;
  if (!secure && tls === undefined) return credentials.createInsecure();
  const pem = (path: string | undefined) => (path === undefined ? null : (readPem(path) ?? null));
  return credentials.createSsl(pem(tls?.ca), pem(tls?.key), pem(tls?.cert));
}

function serverError(error: unknown): ServerError {
  const { code, details } = error as Partial<ServiceError>;
  if (typeof code === 'number') return new ServerError(code, details ?? '');
  return new ServerError(grpcCode.INTERNAL, error instanceof Error ? error.message : String(error));
}

/** One gRPC channel to one server, with its metadata and limits. */
export class Connection {
  readonly #client: Client;
  readonly #metadata: Metadata;
  #open = 0;
  #closing = false;

  constructor(settings: EndpointSettings, maxReceiveBytes: number) {
    const address = parseAddress(settings.url);
    if (address === undefined) throw new TypeError(`not an address: ${settings.url}`);
    const { serverName } = settings.tls ?? {};
    this.#client = new Client(address.target, credentialsOf(settings, address.secure), {
      'grpc.max_receive_message_length': maxReceiveBytes,
      'grpc.max_send_message_length': -1,
      'grpc.service_config_disable_resolution': 1,
      // A server that comes back is noticed soon.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      ...(serverName === undefined
        ? {}
        : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
    });
    this.#metadata = new Metadata();
    for (const [key, value] of Object.entries(settings.metadata)) this.#metadata.set(key, value);
  }

  /** Closes the channel once the calls that are open have ended. */
  close(): void {
    this.#closing = true;
    if (this.#open === 0) this.#client.close();
  }

  /** One request, one answer. Throws ServerError. */
  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    wait: Wait,
  ): Promise<Response> {
    this.#enter(wait);
    let call: { cancel(): void } | undefined;
    const leave = (): void => call?.cancel();
    wait.signal.addEventListener('abort', leave, { once: true });
    try {
      return await new Promise<Response>((resolve, reject) => {
        call = this.#client.makeUnaryRequest(
          method.path,
          (message: Request) => method.request.encode(message),
          (bytes: Buffer) => method.response.decode(bytes),
          request,
          this.#metadata,
          { deadline: wait.deadline },
          (error, response) => {
            if (error !== null) reject(serverError(error));
            else resolve(response as Response);
          },
        );
      });
    } finally {
      wait.signal.removeEventListener('abort', leave);
      this.#leave();
    }
  }

  /**
   * One request, any number of answers: whatever is there at one moment is one
   * list. Returns when the server has ended the stream with OK; throws
   * ServerError otherwise. Leaving the loop cancels the call at the server.
   *
   * After the last message the server is given a moment to end the stream itself:
   * cancelling what is complete disturbs Triton, which may then never finish an
   * unload.
   */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    headers: Readonly<Record<string, string>>,
    isLast: (response: Response) => boolean,
    wait: Wait,
  ): AsyncGenerator<readonly Response[], void, undefined> {
    this.#enter(wait);
    const metadata = this.#metadata.clone();
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      (message: Request) => method.request.encode(message),
      (bytes: Buffer) => method.response.decode(bytes),
      metadata,
      { deadline: wait.deadline },
    );
    const leave = (): void => call.cancel();
    wait.signal.addEventListener('abort', leave, { once: true });
    let failure: ServerError | undefined;
    let finished = false as boolean;
    let closing: NodeJS.Timeout | undefined;
    let wake: (() => void) | undefined;
    call.on('readable', () => wake?.());
    // grpc-js tells the error before it lets the stream end, and both may overtake messages that are not read yet.
    call.on('error', (error: unknown) => {
      failure ??= serverError(error);
      wake?.();
    });
    call.on('end', () => {
      finished = true;
      wake?.();
    });
    try {
      call.write(request);
      call.end();
      while (true) {
        const ready: Response[] = [];
        for (let next: unknown = call.read(); next !== null; next = call.read()) ready.push(next as Response);
        if (ready.length > 0) {
          yield ready;
          if (!ready.some(isLast)) continue;
          closing = setTimeout(() => {
            finished = true;
            wake?.();
          }, closingMs);
          continue;
        }
        if (failure !== undefined && closing === undefined) throw failure;
        if (failure !== undefined || finished) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      clearTimeout(closing);
      wait.signal.removeEventListener('abort', leave);
      call.cancel();
      this.#leave();
    }
  }

  #enter(wait: Wait): void {
    if (wait.signal.aborted) throw new ServerError(grpcCode.CANCELLED, 'the caller has left');
    if (this.#closing) throw new ServerError(grpcCode.UNAVAILABLE, 'the connection is being closed');
    this.#open += 1;
  }

  #leave(): void {
    this.#open -= 1;
    if (this.#closing && this.#open === 0) this.#client.close();
  }
}
