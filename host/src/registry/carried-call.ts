import { grpcCode, type CallAnswer, type CallStep } from '@outrigger/proto';
import { refusedMessage, type CallSink, type CallStatus, type TransportCall } from './transport.js';

/** Bytes of messages after which the plugin is granted as many more. */
const grantBytes = 32 * 1024;
/** Bytes that may wait for their reader: the first credit and one message that was begun with it. */
const firstCredit = 64 * 1024;

/** What a call needs of the stream that it shares with others. */
export interface CallCarrier {
  /** Largest message taken from the plugin, in bytes. */
  readonly maxMessageBytes: number;
  /** Puts a step behind those that wait to leave. */
  step(step: CallStep): void;
}

/** A call that shares its stream with others. Its messages wait here for their reader, and only so many. */
export class CarriedCall implements TransportCall {
  private readonly ready: Buffer[] = [];
  private pieces: Buffer[] = [];
  private readyBytes = 0;
  private pieceBytes = 0;
  private readBytes = 0;
  private wanted = 0;
  private delivering = false;
  private last: CallStatus | undefined;
  private over = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly carrier: CallCarrier,
    readonly id: number,
    private readonly sink: CallSink,
  ) {}

  /** The sink has heard the end. */
  get isOver(): boolean {
    return this.over;
  }

  /** Begins it at the plugin. */
  begin(method: string, request: Buffer, deadline: number | undefined): void {
    let timeoutMs = 0;
    if (deadline !== undefined) {
      // Where there is no time left the timer says so.
      timeoutMs = Math.max(1, Math.min(0xffff_ffff, Math.ceil(deadline - Date.now())));
      this.timer = setTimeout(
        () => {
          this.giveUp({
            code: grpcCode.DEADLINE_EXCEEDED,
            message: 'the deadline has passed',
            details: undefined,
          });
        },
        Math.min(timeoutMs, 0x7fff_ffff),
      );
    }
    this.carrier.step({ call: this.id, step: { $case: 'begin', value: { method, request, timeoutMs } } });
  }

  send(): void {
    throw new Error('a carried call takes its one message when it begins');
  }

  halfClose(): void {
    // Its one message was its last.
  }

  read(): void {
    this.wanted += 1;
    if (!this.delivering) this.deliver();
  }

  cancel(): void {
    this.giveUp({ code: grpcCode.CANCELLED, message: 'cancelled by the host', details: undefined });
  }

  /** Ends it here; the plugin is told to stop. */
  giveUp(status: CallStatus): void {
    if (this.isEnding()) return;
    this.carrier.step({ call: this.id, step: { $case: 'cancel', value: {} } });
    this.last = status;
    this.drop();
    // Whoever cancels hears the end when they have finished speaking.
    queueMicrotask(() => this.deliver());
  }

  /** More of the answer has come. */
  take({ message, more, end }: CallAnswer): void {
    if (this.isEnding()) return;
    if (message !== undefined) this.takeMessage(message, more);
    if (end === undefined || this.isEnding()) return;
    const { code, message: words, details } = end;
    this.last = { code, message: words, details: details.length === 0 ? undefined : details };
    if (!this.delivering) this.deliver();
  }

  /** The carrier has ended before the call did. */
  lose(status: CallStatus): void {
    if (this.over) return;
    this.last ??= status;
    this.drop();
    this.deliver();
  }

  /** How it ends is known. */
  private isEnding(): boolean {
    return this.over || this.last !== undefined;
  }

  private takeMessage(bytes: Buffer, more: boolean): void {
    this.pieceBytes += bytes.length;
    const { maxMessageBytes } = this.carrier;
    if (this.pieceBytes > maxMessageBytes || this.readyBytes > firstCredit + maxMessageBytes) {
      this.giveUp(refusedMessage(maxMessageBytes));
      return;
    }
    if (more) {
      this.pieces.push(bytes);
      return;
    }
    let whole = bytes;
    if (this.pieces.length > 0) {
      whole = Buffer.concat([...this.pieces, bytes]);
      this.pieces = [];
    }
    this.pieceBytes = 0;
    this.readyBytes += whole.length;
    this.ready.push(whole);
    if (!this.delivering) this.deliver();
  }

  /** One after the other: a sink that reads within `message` does not nest. */
  private deliver(): void {
    if (this.over) return;
    this.delivering = true;
    try {
      while (this.wanted > 0) {
        const message = this.ready.shift();
        if (message === undefined) break;
        this.wanted -= 1;
        this.readyBytes -= message.length;
        this.grant(message.length);
        this.sink.message(message);
      }
    } finally {
      this.delivering = false;
    }
    if (this.last !== undefined && this.ready.length === 0) this.finish(this.last);
  }

  private grant(bytes: number): void {
    this.readBytes += bytes;
    if (this.readBytes < grantBytes || this.last !== undefined) return;
    this.carrier.step({ call: this.id, step: { $case: 'credit', value: this.readBytes } });
    this.readBytes = 0;
  }

  private drop(): void {
    this.ready.length = 0;
    this.readyBytes = 0;
    this.pieces = [];
  }

  private finish(status: CallStatus): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.sink.end(status);
  }
}
