import type { Served } from '../../router/inference.js';
import type { Exchange } from './exchange.js';

/** What feeds a stream, as far as the stream holds it back. */
export interface Flow {
  readonly served?: Served;
  pause(): void;
  resume(): void;
  cancel(): void;
}

const defaultWriteTimeoutMs = 60_000;

/**
 * Server-sent events to one client. The headers wait for the first event, so that an error
 * before it is still a proper status; they leave early when the keep-alive comment is due.
 * A client that reads slowly holds the source back; one that does not read at all is cut.
 */
export class SseWriter {
  private opened = false;
  private ended = false;
  private held = false;
  private wrote = false;
  private readonly ping: NodeJS.Timeout | undefined;

  constructor(
    private readonly exchange: Exchange,
    private readonly flow: Flow,
  ) {
    const { config } = exchange.host;
    exchange.response.on('drain', this.drained);
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
    this.exchange.onLeave = undefined;
  }

  /** The timeout of a socket counts from the last byte that went out, so a slow reader may take its time. */
  private limit(): void {
    this.exchange.request.socket.setTimeout(
      this.exchange.host.config.writeTimeoutMs ?? defaultWriteTimeoutMs,
    );
  }

  private readonly drained = (): void => {
    if (!this.held || this.ended) return;
    this.held = false;
    this.exchange.request.socket.setTimeout(0);
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
