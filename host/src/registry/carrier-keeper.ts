import { grpcCode } from '@outrigger/proto';
import type { CarriedCall } from './carried-call.js';
import { Carrier } from './carrier.js';
import { errorDetails } from './plugin-failure.js';
import type { CallSink, CallStatus, PluginTransport } from './transport.js';

/**
 * When a carrier that broke is opened again, in milliseconds: after a growing time,
 * and only so often in a row, since each that breaks takes its calls along. One that
 * was steady for a while has its predecessors forgotten.
 */
const reopening = { firstMs: 1000, mostMs: 30_000, times: 8, steadyMs: 60_000 };

/** Keeps a carrier open to a plugin while its connection stands; without one calls go another way. */
export class CarrierKeeper {
  private carrier: Carrier | undefined;
  /** Carriers that broke, in a row. */
  private broken = 0;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly transport: PluginTransport,
    /** Largest message taken from the plugin, in bytes. */
    private readonly maxMessageBytes: number,
  ) {}

  /** Opens the first carrier; a second call does nothing. */
  open(): void {
    if (this.carrier === undefined && !this.closed) this.begin();
  }

  /** A new call; undefined when there is no carrier, or none that takes more. */
  call(sink: CallSink): CarriedCall | undefined {
    return this.carrier?.call(sink);
  }

  /** Ends every call; false when there was none. */
  cut(status: CallStatus): boolean {
    return this.carrier?.cut(status) ?? false;
  }

  /** Opens none any more. The end of the connection ends the one that is open. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private begin(): void {
    const openedAt = performance.now();
    this.carrier = new Carrier(this.transport, this.maxMessageBytes, (status) => {
      if (performance.now() - openedAt >= reopening.steadyMs) this.broken = 0;
      if (mayReopen(status)) this.beginLater();
    });
  }

  private beginLater(): void {
    if (this.closed || this.broken >= reopening.times) return;
    const delay = Math.min(reopening.mostMs, reopening.firstMs * 2 ** this.broken);
    this.broken += 1;
    this.timer = setTimeout(() => {
      // Without a connection the instance is on its way out, or it will be back.
      if (this.transport.connected()) this.begin();
      else this.beginLater();
    }, delay);
    this.timer.unref();
  }
}

/** False when the plugin stops, or does not serve carriers after all. */
function mayReopen({ code, details }: CallStatus): boolean {
  return code !== grpcCode.UNIMPLEMENTED && errorDetails(details).reason !== 'DRAINING';
}
