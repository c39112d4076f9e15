import {
  grpcCode,
  type GenerateEvent,
  type GenerateRequest,
  type GenerateResponse,
  type Progress,
  type Usage,
} from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { Lease, PluginInstance } from '../registry/instance.js';
import { contract } from '../registry/plugin-client.js';
import { connectionBroken, pluginFailure } from '../registry/plugin-failure.js';
import type { CallSink, CallStatus, TransportCall } from '../registry/transport.js';
import type { Generation, GenerationSink, Served } from './inference.js';

/** How long a generation may take, in milliseconds; 0 is no limit. */
export interface GenerationLimits {
  readonly totalMs: number;
  readonly firstTokenMs: number;
  readonly idleMs: number;
}

/** How a generation ended, for the ledger. */
export interface GenerationEnd {
  /** Undefined when the answer is whole. */
  readonly error: GatewayError | undefined;
  readonly usage: Usage | undefined;
  /** Pieces of the answer that came; a lower bound of tokens when the answer was cut. */
  readonly pieces: number;
  /** Milliseconds of the clock at the first piece; undefined when none came. */
  readonly firstAt: number | undefined;
}

/** What a generation needs of its router. */
export interface GenerationPort {
  readonly limits: GenerationLimits;
  readonly now: () => number;
  /** Another lease and request for a call that the plugin refused before it began; undefined when there is none. */
  again(
    refused: GatewayError,
  ): Promise<{ lease: Lease; request: GenerateRequest; served: Served } | undefined>;
  ended(end: GenerationEnd, served: Served, instance: PluginInstance): void;
  /** The plugin tells what it does before the answer begins, and then that this is over, with the error if so. */
  progress?(step: Progress, served: Served): void;
  progressed?(error: GatewayError | undefined, served: Served): void;
}

/**
 * One answer on its way from plugin to door. Its end is decided here and
 * nowhere else: whole only when the plugin's `end` event came in an unbroken
 * stream; anything else is an error that says what happened.
 */
export class ActiveGeneration implements Generation, CallSink {
  served: Served;
  /** Milliseconds of the clock when the plugin was asked. */
  startedAt = 0;
  private sink: GenerationSink | undefined;
  private call: TransportCall | undefined;
  private paused = false;
  private wantsRead = false;
  private over = false;
  private seq = 0;
  private usage: Usage | undefined;
  private pieces = 0;
  private firstAt: number | undefined;
  private progressing = false;
  private total: NodeJS.Timeout | undefined;
  private silence: NodeJS.Timeout | undefined;

  constructor(
    private lease: Lease,
    private request: GenerateRequest,
    served: Served,
    private readonly port: GenerationPort,
  ) {
    this.served = served;
  }

  /** The plugin has begun to answer. */
  get begun(): boolean {
    return this.seq > 0;
  }

  /** Sends the request. */
  start(): void {
    this.startedAt = this.port.now();
    const { instance } = this.lease;
    this.call = instance.client.begin(contract.inference.generate, this.request, {}, this);
  }

  attach(sink: GenerationSink): void {
    this.sink = sink;
    if (this.over) return;
    const { totalMs, firstTokenMs } = this.port.limits;
    if (totalMs > 0) {
      this.total = setTimeout(() => {
        this.abort(new GatewayError('total_timeout', `the answer was not complete within ${totalMs} ms`));
      }, totalMs);
    }
    if (firstTokenMs > 0) {
      this.silence = setTimeout(() => {
        this.abort(
          new GatewayError('first_token_timeout', `the first token did not come within ${firstTokenMs} ms`),
        );
      }, firstTokenMs);
    }
    this.read();
  }

  pause(): void {
    this.paused = true;
    // While the reader holds us back, silence is not the plugin's.
    clearTimeout(this.silence);
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.over) return;
    this.silence?.refresh();
    if (this.wantsRead) this.read();
  }

  cancel(): void {
    if (this.over) return;
    this.finish(new GatewayError('cancelled', 'the caller left'));
    this.call?.cancel();
  }

  message(bytes: Buffer): void {
    if (this.over) return;
    let response: GenerateResponse;
    try {
      response = contract.inference.generate.response.decode(bytes);
    } catch {
      this.abort(this.broken('sent a frame that cannot be read'));
      return;
    }
    if (response.seq !== this.seq) {
      this.abort(this.broken(`sent frame ${response.seq} where ${this.seq} was due`));
      return;
    }
    this.seq += 1;
    this.lease.instance.heard += 1;
    const { events } = response;
    const whole = this.look(events);
    if (this.isOver()) return;
    if (!whole) {
      this.watchSilence();
      this.sink?.events(events);
      // The sink may have cancelled.
      if (!this.isOver()) this.read();
      return;
    }
    const rest = events.slice(0, -1);
    if (rest.length > 0) this.sink?.events(rest);
    if (this.isOver()) return;
    this.finish(undefined);
    // The status is still to come; without a read it never would.
    this.call?.read();
  }

  end(status: CallStatus): void {
    if (this.over) {
      this.lease.release();
      return;
    }
    const { instance } = this.lease;
    if (connectionBroken(status) && !instance.transport.connected()) instance.reportBroken(status.message);
    const error =
      status.code === grpcCode.OK
        ? this.broken('ended the stream before the answer was whole')
        : pluginFailure(status, instance.plugin);
    if (error.notStarted && this.seq === 0) {
      void this.startAgain(error);
      return;
    }
    this.lease.release();
    this.finish(error);
  }

  /** Asks for the next frame, unless the reader holds us back. */
  private read(): void {
    if (this.paused) this.wantsRead = true;
    else {
      this.wantsRead = false;
      this.call?.read();
    }
  }

  /** Notes what the ledger needs; true when the last event says that the answer is whole. */
  private look(events: readonly GenerateEvent[]): boolean {
    for (const [index, { event }] of events.entries()) {
      switch (event?.$case) {
        case 'delta':
          this.pieces += 1;
          this.firstAt ??= this.port.now();
          if (this.progressing) this.progressed(undefined);
          break;
        case 'progress':
          this.progressing = true;
          this.port.progress?.(event.value, this.served);
          break;
        case 'usage':
          this.usage = event.value;
          break;
        case 'end':
          if (index === events.length - 1) return true;
          this.abort(this.broken('sent more after the end'));
          return false;
        default:
      }
    }
    return false;
  }

  private progressed(error: GatewayError | undefined): void {
    this.progressing = false;
    this.port.progressed?.(error, this.served);
  }

  private watchSilence(): void {
    const { idleMs } = this.port.limits;
    clearTimeout(this.silence);
    if (idleMs <= 0 || this.paused) return;
    this.silence = setTimeout(() => {
      this.abort(new GatewayError('idle_timeout', `the answer stopped for ${idleMs} ms`));
    }, idleMs);
  }

  private async startAgain(refused: GatewayError): Promise<void> {
    this.lease.release();
    const next = await this.port.again(refused).catch(() => undefined);
    if (this.over) {
      next?.lease.release();
      return;
    }
    if (next === undefined) {
      this.finish(refused);
      return;
    }
    this.lease = next.lease;
    this.request = next.request;
    this.served = next.served;
    this.start();
    this.read();
  }

  private abort(error: GatewayError): void {
    if (this.over) return;
    this.finish(error);
    this.call?.cancel();
  }

  private finish(error: GatewayError | undefined): void {
    this.over = true;
    clearTimeout(this.total);
    clearTimeout(this.silence);
    if (this.progressing) this.progressed(error);
    this.port.ended(
      { error, usage: this.usage, pieces: this.pieces, firstAt: this.firstAt },
      this.served,
      this.lease.instance,
    );
    if (error === undefined) this.sink?.complete();
    // The one who cancelled hears nothing more.
    else if (error.kind !== 'cancelled') this.sink?.fail(error);
  }

  private isOver(): boolean {
    return this.over;
  }

  private broken(what: string): GatewayError {
    const { plugin } = this.lease.instance;
    return new GatewayError('truncated', `plugin ${plugin} ${what}`, { plugin });
  }
}
