/**
 * The port between the host and the wire to a plugin. Bytes in, bytes out: the
 * contract's codecs sit above it, the gRPC library below it, so that either can
 * be exchanged.
 */
export interface PluginTransport {
  /** Begins a call. Nothing is read before `read()`. A deadline is milliseconds since the epoch. */
  call(path: string, deadline: number | undefined, sink: CallSink): TransportCall;
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
  /** Sends a message. */
  send(message: Buffer): void;
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
