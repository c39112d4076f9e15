import { createRequire } from 'node:module';
import type * as Grpc from '@grpc/grpc-js';
import { drainedCall, type CallSink, type PluginTransport, type TransportCall } from './transport.js';

const require = createRequire(import.meta.url);
let library: typeof Grpc | undefined;

/** Loaded with the first plugin, whose process starts meanwhile: the host listens sooner. */
function grpc(): typeof Grpc {
  return (library ??= require('@grpc/grpc-js') as typeof Grpc);
}

/** TLS towards a plugin that listens on TCP. Contents of PEM files, not paths. */
export interface TransportTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

/** How to reach a plugin. */
export interface GrpcTransportOptions {
  /** `unix:/path`, `dns:///host:port`, `ipv4:1.2.3.4:5` or `host:port`. */
  readonly address: string;
  readonly tls?: TransportTls;
  /** Largest message taken from the plugin, in bytes. */
  readonly maxMessageBytes: number;
  /** Connections side by side: several spread the load over HTTP/2 sessions. */
  readonly channels?: number;
}

/** grpc-js's own call object; its class is not exported. */
interface RawCall {
  start(metadata: Grpc.Metadata, listener: object): void;
  sendMessageWithContext(context: object, message: Buffer): void;
  startRead(): void;
  halfClose(): void;
  cancelWithStatus(code: Grpc.status, details: string): void;
}

const detailsKey = 'grpc-status-details-bin';

/**
 * The wire on grpc-js, below its client class: calls are made on the channel
 * itself, without interceptors and without (de)serialisers.
 */
export function createGrpcTransport(options: GrpcTransportOptions): PluginTransport {
  const channels = Array.from({ length: options.channels ?? 1 }, () => openChannel(options));
  const open = new Set<OpenCall>();
  let next = 0;
  const cut = (message: string): boolean => {
    const calls = [...open];
    for (const call of calls) call.cut(message);
    return calls.length > 0;
  };
  const begin = (path: string, deadline: number | undefined, sink: CallSink): OpenCall => {
    next = (next + 1) % channels.length;
    return new OpenCall(channels[next] as Grpc.Channel, path, deadline, sink, open);
  };
  return {
    call: begin,
    invoke: (path, request, deadline, sink) => {
      const call = begin(path, deadline, sink);
      call.send(request);
      call.halfClose();
      return call;
    },
    multiplex: () => undefined,
    cut,
    connect: async (signal) => {
      await Promise.all(channels.map((channel) => ready(channel, signal)));
    },
    connected: () =>
      channels.every((channel) => channel.getConnectivityState(false) === grpc().connectivityState.READY),
    close: () => {
      // The library lets open calls of a closed channel run on.
      cut('the connection to the plugin was closed');
      for (const channel of channels) channel.close();
    },
  };
}

function openChannel(options: GrpcTransportOptions): Grpc.Channel {
  const { tls } = options;
  const credentials =
    tls === undefined
      ? grpc().credentials.createInsecure()
      : grpc().credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
  return new (grpc().Channel)(options.address, credentials, {
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.initial_reconnect_backoff_ms': 50,
    // A socket costs nothing to try, and a plugin that starts is waited for.
    'grpc.max_reconnect_backoff_ms': options.address.startsWith('unix:') ? 100 : 1000,
    ...(tls?.serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
    ...(options.address.startsWith('unix:') ? { 'grpc.default_authority': 'localhost' } : {}),
  });
}

/** A call that is under way; it is in `open` until its end. */
class OpenCall implements TransportCall {
  private readonly raw: RawCall;
  private why: string | undefined;

  constructor(
    channel: Grpc.Channel,
    path: string,
    deadline: number | undefined,
    private readonly sink: CallSink,
    private readonly open: Set<OpenCall>,
  ) {
    this.raw = channel.createCall(path, deadline ?? Infinity, null, null, null);
    open.add(this);
    this.raw.start(new (grpc().Metadata)(), this);
  }

  send(message: Buffer, sent?: () => void): void {
    this.raw.sendMessageWithContext(sent === undefined ? {} : { callback: sent }, message);
  }

  halfClose(): void {
    this.raw.halfClose();
  }

  read(): void {
    this.raw.startRead();
  }

  cancel(): void {
    this.raw.cancelWithStatus(grpc().status.CANCELLED, 'cancelled by the host');
  }

  /** Ends it as if the plugin had refused because it drains. */
  cut(message: string): void {
    this.why = message;
    this.cancel();
  }

  onReceiveMetadata(): void {
    // The contract uses none.
  }

  onReceiveMessage(bytes: Buffer): void {
    this.sink.message(bytes);
  }

  onReceiveStatus(status: { code: number; details: string; metadata: Grpc.Metadata }): void {
    this.open.delete(this);
    if (status.code === 0) this.sink.end({ code: 0, message: '', details: undefined });
    else if (this.why !== undefined) this.sink.end(drainedCall(this.why));
    else {
      const details = status.metadata.get(detailsKey)[0];
      this.sink.end({
        code: status.code,
        message: status.details,
        details: Buffer.isBuffer(details) ? details : undefined,
      });
    }
  }
}

/** Polls nothing: waits for the channel's own state changes until it is READY. */
function ready(channel: Grpc.Channel, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const onAbort = (): void => {
      settled = true;
      reject(signal.reason as Error);
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    const step = (): void => {
      if (settled) return;
      const state = channel.getConnectivityState(true);
      if (state === grpc().connectivityState.READY) {
        settled = true;
        signal.removeEventListener('abort', onAbort);
        resolve();
        return;
      }
      if (state === grpc().connectivityState.SHUTDOWN) {
        settled = true;
        signal.removeEventListener('abort', onAbort);
        reject(new Error('the connection was closed before it stood'));
        return;
      }
      // A bounded wait, so that a channel nobody waits for any more is let go.
      channel.watchConnectivityState(state, Date.now() + 1000, step);
    };
    step();
  });
}
