import { InferenceDefinition } from '@outrigger/proto';
import { CarrierKeeper } from './carrier-keeper.js';
import { drainedCall, type CallSink, type PluginTransport, type TransportCall } from './transport.js';

/** Larger requests travel as calls of their own, so that others need not wait behind them. */
const largestCarried = 64 * 1024;

const inference = `/${InferenceDefinition.fullName}/`;

/**
 * Inference over one shared stream, where the plugin serves Multiplex; everything
 * else, large requests, and all calls to other plugins over calls of their own.
 */
export class MultiplexTransport implements PluginTransport {
  private readonly carriers: CarrierKeeper;

  constructor(
    private readonly calls: PluginTransport,
    /** Largest message taken from the plugin, in bytes. */
    maxMessageBytes: number,
  ) {
    this.carriers = new CarrierKeeper(calls, maxMessageBytes);
  }

  multiplex(): void {
    this.carriers.open();
  }

  call(path: string, deadline: number | undefined, sink: CallSink): TransportCall {
    return this.calls.call(path, deadline, sink);
  }

  invoke(path: string, request: Buffer, deadline: number | undefined, sink: CallSink): TransportCall {
    const carried =
      request.length <= largestCarried && path.startsWith(inference) ? this.carriers.call(sink) : undefined;
    if (carried === undefined) return this.calls.invoke(path, request, deadline, sink);
    carried.begin(path, request, deadline);
    return carried;
  }

  connect(signal: AbortSignal): Promise<void> {
    return this.calls.connect(signal);
  }

  connected(): boolean {
    return this.calls.connected();
  }

  cut(message: string): boolean {
    const carried = this.carriers.cut(drainedCall(message));
    return this.calls.cut(message) || carried;
  }

  close(): void {
    this.carriers.close();
    this.calls.close();
  }
}
