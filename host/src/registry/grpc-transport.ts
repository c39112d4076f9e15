import * as grpc from '@grpc/grpc-js';
import type { CallSink, PluginTransport, TransportCall } from './transport.js';

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
  readonly maxMessageBytes?: number;
  /** Connections side by side: several spread the load over HTTP/2 sessions. */
  readonly channels?: number;
}

/** grpc-js's own call object; its class is not exported. */
interface RawCall {
  start(metadata: grpc.Metadata, listener: object): void;
  sendMessageWithContext(context: object, message: Buffer): void;
  startRead(): void;
  halfClose(): void;
  cancelWithStatus(code: grpc.status, details: string): void;
}

const detailsKey = 'grpc-status-details-bin';

/**
 * The wire on grpc-js, below its client class: calls are made on the channel
 * itself, without interceptors and without (de)serialisers.
 */
export function createGrpcTransport(options: GrpcTransportOptions): PluginTransport {
  const channels = Array.from({ length: options.channels ?? 1 }, () => openChannel(options));
  let next = 0;
  return {
    call: (path, deadline, sink) => {
      next = (next + 1) % channels.length;
      return startCall(channels[next] as grpc.Channel, path, deadline, sink);
    },
    connect: async (signal) => {
      await Promise.all(channels.map((channel) => ready(channel, signal)));
    },
    connected: () =>
      channels.every((channel) => channel.getConnectivityState(false) === grpc.connectivityState.READY),
    close: () => {
      for (const channel of channels) channel.close();
    },
  };
}

function openChannel(options: GrpcTransportOptions): grpc.Channel {
  const { tls } = options;
  const credentials =
    tls === undefined
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
  return new grpc.Channel(options.address, credentials, {
    'grpc.max_receive_message_length': options.maxMessageBytes ?? 32 * 1024 * 1024,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1000,
    ...(tls?.serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
    ...(options.address.startsWith('unix:') ? { 'grpc.default_authority': 'localhost' } : {}),
  });
}

function startCall(
  channel: grpc.Channel,
  path: string,
  deadline: number | undefined,
  sink: CallSink,
): TransportCall {
  const call = channel.createCall(path, deadline ?? Infinity, null, null, null) as unknown as RawCall;
  call.start(new grpc.Metadata(), {
    onReceiveMetadata: () => undefined,
    onReceiveMessage: (bytes: Buffer) => {
      sink.message(bytes);
    },
    onReceiveStatus: (status: { code: number; details: string; metadata: grpc.Metadata }) => {
      const details = status.code === 0 ? undefined : status.metadata.get(detailsKey)[0];
      sink.end({
        code: status.code,
        message: status.details,
        details: Buffer.isBuffer(details) ? details : undefined,
      });
    },
  });
  return {
    send: (message) => {
      call.sendMessageWithContext({}, message);
    },
    halfClose: () => {
      call.halfClose();
    },
    read: () => {
      call.startRead();
    },
    cancel: () => {
      call.cancelWithStatus(grpc.status.CANCELLED, 'cancelled by the host');
    },
  };
}

/** Polls nothing: waits for the channel's own state changes until it is READY. */
function ready(channel: grpc.Channel, signal: AbortSignal): Promise<void> {
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
      if (state === grpc.connectivityState.READY) {
        settled = true;
        signal.removeEventListener('abort', onAbort);
        resolve();
        return;
      }
      // A bounded wait, so that a channel nobody waits for any more is let go.
      channel.watchConnectivityState(state, Date.now() + 1000, step);
    };
    step();
  });
}
