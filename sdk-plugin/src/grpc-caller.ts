import type {
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { Caller, Handlers } from './caller.js';
import type { GrpcStatus } from './status.js';

/** What all kinds of grpc-js's server calls have in common. */
interface GrpcCall {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** What those that stream have besides. */
interface GrpcStream extends GrpcCall {
  on(event: 'drain', listener: () => void): unknown;
  emit(event: 'error', status: GrpcStatus): boolean;
  write(message: Buffer): boolean;
  end(): void;
}

abstract class GrpcCaller implements Caller {
  constructor(protected readonly call: GrpcCall) {}

  get cancelled(): boolean {
    return this.call.cancelled;
  }

  get requestId(): string {
    return this.call.metadata.get('x-request-id')[0]?.toString() ?? '';
  }

  get deadline(): number {
    return Number(this.call.getDeadline());
  }

  onCancelled(listener: () => void): void {
    // grpc-js emits this after normal completion too.
    this.call.once('cancelled', listener);
  }

  abstract onDrain(listener: (() => void) | undefined): void;
  abstract write(message: Buffer): boolean;
  abstract end(): void;
  abstract fail(status: GrpcStatus): void;
}

/** The caller of a unary method. */
class UnaryCaller extends GrpcCaller {
  #answer: Buffer | undefined;

  constructor(
    call: ServerUnaryCall<Buffer, Buffer>,
    private readonly callback: sendUnaryData<Buffer>,
  ) {
    super(call);
  }

  onDrain(): void {
    // One message always fits.
  }

  write(message: Buffer): boolean {
    this.#answer = message;
    return true;
  }

  end(): void {
    this.callback(null, this.#answer ?? Buffer.alloc(0));
  }

  fail(status: GrpcStatus): void {
    this.callback(status);
  }
}

/** The caller of a method that streams. */
export class StreamCaller extends GrpcCaller {
  #drained: (() => void) | undefined;

  constructor(private readonly stream: GrpcStream) {
    super(stream);
    stream.on('drain', () => this.#drained?.());
  }

  onDrain(listener: (() => void) | undefined): void {
    this.#drained = listener;
  }

  write(message: Buffer): boolean {
    return this.stream.write(message);
  }

  end(): void {
    this.stream.end();
  }

  fail(status: GrpcStatus): void {
    this.stream.emit('error', status);
  }
}

/** Handlers as grpc-js wants them. */
export function grpcImplementation(handlers: Handlers): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const [name, handler] of Object.entries(handlers)) {
    implementation[name] = handler.streams
      ? (call: ServerWritableStream<Buffer, Buffer>) => handler.handle(call.request, new StreamCaller(call))
      : (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
          handler.handle(call.request, new UnaryCaller(call, callback));
  }
  return implementation;
}
