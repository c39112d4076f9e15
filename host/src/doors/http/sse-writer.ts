import { GatewayError } from '../../errors/gateway-error.js';
import type { Served } from '../../router/inference.js';
import type { Exchange } from './exchange.js';
import type { StalledStream } from './stalled-streams.js';

/** What feeds a stream, as far as the stream holds it back. */
export interface Flow {
  readonly served?: Served;
  pause(): void;
  resume(): void;
  cancel(): void;
}

const defaultWriteTimeoutMs = 60_000;
const defaultStallTimeoutMs = 5_000;

/**
 * Server-sent events to one client. The headers wait for the first event, so that an error
 * before it is still a proper status; they leave early when the keep-alive comment is due.
 * A client that reads slowly holds the source back; one that does not read at all gives way to
 * others when they wait, and is cut in the end.
 */
export class SseWriter {
  private opened = false;
  private ended = false;
  private held = false;
  private wrote = false;
  private readonly ping: NodeJS.Timeout | undefined;
  /** Milliseconds without a byte taken, as far as the timeouts of the socket tell; 0 when it reads. */
  private silentMs = 0;
  private silentAt = 0;
  private readonly stallMs: number;
  private readonly cutMs: number;
  private readonly stalled: StalledStream;

  constructor(
    private readonly exchange: Exchange,
    private readonly flow: Flow,
  ) {
    const { config } = exchange.host;
    const { writeTimeoutMs = defaultWriteTimeoutMs, stallTimeoutMs = defaultStallTimeoutMs } = config;
    this.cutMs = writeTimeoutMs;
    this.stallMs = stallTimeoutMs > 0 ? Math.min(stallTimeoutMs, writeTimeoutMs) : writeTimeoutMs;
    this.stalled = { plugin: flow.served?.plugin ?? '', giveWay: this.giveWay };
    exchange.response.on('drain', this.drained);
    exchange.response.on('timeout', this.silent);
    if (exchange.response.socket === null) exchange.response.once('socket', this.itsTurn);
    if (config.keepAliveMs > 0) this.ping = setInterval(this.keepAlive, config.keepAliveMs);
    exchange.onLeave = this.left;
    if (exchange.closed) this.left();
  }

  /** Something was sent: from here on an error can only be an event. */
  get isOpen(): boolean {
    return this.opened;
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** Sends whole events. */
  write(text: string): void {
    if (this.ended) return;
    this.wrote = true;
    if (!this.opened) this.open();
    if (this.exchange.response.write(text) || this.held) return;
    this.held = true;
    this.flow.pause();
    this.limit();
  }

  /** Sends the last events and closes the stream. */
  end(text: string): void {
    if (this.ended) return;
    if (!this.opened) this.open();
    this.stop();
    this.exchange.response.end(text);
    this.limit();
  }

  /** Ends before anything was sent; the answer is somebody else's now. */
  abandon(): void {
    this.stop();
  }

  private open(): void {
    this.opened = true;
    this.exchange.openStream(this.flow.served);
  }

  private stop(): void {
    this.ended = true;
    clearInterval(this.ping);
    this.exchange.host.stalled.delete(this.stalled);
    this.exchange.onLeave = undefined;
  }

  /** The timeout of a socket counts from the last byte that went out, so a slow reader may take its time. */
  private limit(): void {
    this.silentMs = 0;
    // The connection belongs to the answer to an earlier request.
    if (this.exchange.response.socket === null) return;
    this.exchange.request.socket.setTimeout(this.ended ? this.cutMs : this.stallMs);
  }

  /** The answers to earlier requests are out. */
  private readonly itsTurn = (): void => {
    if (this.held || this.ended) this.limit();
  };

  /** The client has not taken a byte for the time of the socket's timeout. */
  private readonly silent = (): void => {
    const { socket } = this.exchange.request;
    if (!this.held && !this.ended) {
      socket.setTimeout(0);
      return;
    }
    const now = performance.now();
    // Node skips a timeout in which bytes went out; then the count begins anew.
    if (now - this.silentAt > this.stallMs * 1.5) this.silentMs = 0;
    this.silentAt = now;
    this.silentMs += this.stallMs;
    if (this.ended || this.silentMs >= this.cutMs) {
      socket.destroy();
      return;
    }
    socket.setTimeout(this.stallMs);
    if (this.held && this.flow.served !== undefined) this.exchange.host.stalled.add(this.stalled);
  };

  private readonly giveWay = (): void => {
    const seconds = Math.round(this.silentMs / 100) / 10;
    this.exchange.giveUp(
      new GatewayError(
        'cancelled',
        `nothing of the answer was read for ${seconds} s while other requests waited`,
      ),
    );
  };

  private readonly drained = (): void => {
    if (!this.held || this.ended) return;
    this.held = false;
    this.exchange.host.stalled.delete(this.stalled);
    if (this.exchange.response.socket !== null) this.exchange.request.socket.setTimeout(0);
    this.flow.resume();
  };

  private readonly keepAlive = (): void => {
    if (!this.wrote && !this.held) {
      this.write(': ping\n\n');
    }
    this.wrote = false;
  };

  private readonly left = (): void => {
    if (this.ended) return;
    this.stop();
    this.flow.cancel();
  };
}
