import { ErrorInfo, RpcStatus, errorDomain, grpcCode } from '@outrigger/proto';

/**
 * The port between the host and the wire to a plugin. Bytes in, bytes out: the
 * contract's codecs sit above it, the gRPC library below it, so that either can
 * be exchanged.
 */
export interface PluginTransport {
  /** Begins a call. Nothing is read before `read()`. A deadline is milliseconds since the epoch. */
  call(path: string, deadline: number | undefined, sink: CallSink): TransportCall;
  /** Begins a call whose one message is known, as most are. Otherwise as `call`. */
  invoke(path: string, request: Buffer, deadline: number | undefined, sink: CallSink): TransportCall;
  /** The plugin serves Multiplex: from now on invocations may share a stream. */
  multiplex(): void;
  /** Resolves when a connection stands; rejects when the signal fires. */
  connect(signal: AbortSignal): Promise<void>;
  /** False when a connection is known to be down. */
  connected(): boolean;
  /**
   * Ends every open call with UNAVAILABLE and this message, for the caller to
   * read; false when none was open. New calls are still possible.
   */
  cut(message: string): boolean;
  /** Ends all calls and the connections. */
  close(): void;
}

/** A call under way. */
export interface TransportCall {
  /** Sends a message; `sent` is called when it is on its way and another one may follow. */
  send(message: Buffer, sent?: () => void): void;
  /** Says that no more messages come from this side. */
  halfClose(): void;
  /** Asks for one more message. */
  read(): void;
  /** Gives the call up. The sink still hears its end. */
  cancel(): void;
}

/** Who listens to a call. */
export interface CallSink {
  message(bytes: Buffer): void;
  /** Always the last thing heard, exactly once. */
  end(status: CallStatus): void;
}

/** How a call ended. */
export interface CallStatus {
  /** Canonical gRPC code. */
  readonly code: number;
  readonly message: string;
  /** Serialized google.rpc.Status of `grpc-status-details-bin`. */
  readonly details: Buffer | undefined;
}

/** The end of a call that the host cuts because its instance goes: as if the plugin had refused it. */
export function drainedCall(message: string): CallStatus {
  const code = grpcCode.UNAVAILABLE;
  const info = ErrorInfo.encode(ErrorInfo.create({ reason: 'DRAINING', domain: errorDomain })).finish();
  const any = { typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: Buffer.from(info) };
  const details = RpcStatus.encode(RpcStatus.create({ code, message, details: [any] })).finish();
  return { code, message, details: Buffer.from(details) };
}

/** The end of a call whose connection broke. */
export function lostCall(message: string): CallStatus {
  return { code: grpcCode.UNAVAILABLE, message, details: undefined };
}

/** The end of a call that never left; the words are the gRPC library's. */
export const unsentCall = lostCall('No connection established: the call had not left yet');

/** The end of a call whose answer holds a message that is too large. */
export function refusedMessage(maxBytes: number): CallStatus {
  const message = `Received message larger than max (${maxBytes} bytes)`;
  return { code: grpcCode.RESOURCE_EXHAUSTED, message, details: undefined };
}
