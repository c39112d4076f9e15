import { grpcCode, type CallAnswer, type CallStep } from '@outrigger/proto';
import { refusedMessage, type CallSink, type CallStatus, type TransportCall } from './transport.js';

/** Credit with which a call begins. */
const firstCredit = 64 * 1024;
/** Credit that was read is granted anew when there is so much of it. */
const grantBytes = 32 * 1024;
/** What a message takes from the credit beside its bytes. */
const messageCost = 32;
/** Pieces of a message are this large on average, or refused. */
const leastPieceBytes = 1024;
/** The longest time that a timer can measure, in milliseconds; a later deadline is none. */
const longestTimer = 0x7fff_ffff;

const beyondCredit = brokenRule('sent more than it was granted');
const cutMessage = brokenRule('ended a call in the middle of a message');

/** What a call needs of the stream that it shares with others. */
export interface CallCarrier {
  /** Largest message taken from the plugin, in bytes. */
  readonly maxMessageBytes: number;
  /** Puts a step behind those that wait to leave. */
  step(step: CallStep): void;
  /** The call's sink has heard its end. */
  over(call: CarriedCall): void;
}

/** A call that shares its stream with others. Its messages wait here for their reader, and only so many. */
export class CarriedCall implements TransportCall {
  /** Its number on the stream. */
  id = 0;
  /** Where it stands among the calls whose end has not been heard. */
  place = 0;
  private readonly ready: Buffer[] = [];
  private pieces: Buffer[] = [];
  private pieceBytes = 0;
  private credit = firstCredit;
  private readBytes = 0;
  private wanted = 0;
  private delivering = false;
  private givenUp = false;
  private last: CallStatus | undefined;
  private isOver = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly carrier: CallCarrier,
    private readonly sink: CallSink,
  ) {}

  /** Begins it at the plugin. */
  begin(method: string, request: Buffer, deadline: number | undefined): void {
    // Where there is no time left the timer says so.
    let timeoutMs = deadline === undefined ? 0 : Math.max(1, Math.ceil(deadline - Date.now()));
    if (timeoutMs > longestTimer) timeoutMs = 0;
    if (timeoutMs > 0) {
      this.timer = setTimeout(() => {
        this.giveUp({
          code: grpcCode.DEADLINE_EXCEEDED,
          message: 'the deadline has passed',
          details: undefined,
        });
      }, timeoutMs);
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
    this.deliver();
  }

  cancel(): void {
    this.giveUp({ code: grpcCode.CANCELLED, message: 'cancelled by the host', details: undefined });
  }

  /** Ends it here, with what was not read; the plugin is told to stop. */
  giveUp(status: CallStatus): void {
    if (this.isOver || this.givenUp) return;
    this.givenUp = true;
    if (this.last === undefined) this.carrier.step({ call: this.id, step: { $case: 'cancel', value: {} } });
    this.last = status;
    this.drop();
    // Whoever cancels hears the end when they have finished speaking.
    queueMicrotask(() => {
      this.deliver();
    });
  }

  /** More of the answer has come. */
  take({ message, more, end }: CallAnswer): void {
    if (this.isEnding()) return;
    if (message !== undefined) this.takeMessage(message, more);
    if (end === undefined || this.isEnding()) return;
    const { code, message: words, details } = end;
    const isCut = code === grpcCode.OK && this.pieces.length > 0;
    this.last = isCut
      ? cutMessage
      : { code, message: words, details: details.length === 0 ? undefined : details };
    this.pieces = [];
    this.deliver();
  }

  /** The carrier has ended before the call did. */
  lose(status: CallStatus): void {
    this.last ??= status;
    this.drop();
    this.deliver();
  }

  /** How it ends is known. */
  private isEnding(): boolean {
    return this.isOver || this.last !== undefined;
  }

  private takeMessage(bytes: Buffer, more: boolean): void {
    const { maxMessageBytes } = this.carrier;
    if (this.pieces.length === 0 && this.credit <= 0) {
      this.giveUp(beyondCredit);
      return;
    }
    this.pieceBytes += bytes.length;
    if (this.pieceBytes > maxMessageBytes || this.pieces.length > maxMessageBytes / leastPieceBytes) {
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
    this.credit -= whole.length + messageCost;
    this.ready.push(whole);
    this.deliver();
  }

  /** One after the other: a sink that reads within `message` does not nest. */
  private deliver(): void {
    if (this.isOver || this.delivering) return;
    this.delivering = true;
    while (this.wanted > 0) {
      const message = this.ready.shift();
      if (message === undefined) break;
      this.wanted -= 1;
      this.grant(message.length + messageCost);
      this.sink.message(message);
    }
    this.delivering = false;
    if (this.last !== undefined && this.ready.length === 0) this.finish(this.last);
  }

  private grant(bytes: number): void {
    this.readBytes += bytes;
    if (this.readBytes < grantBytes || this.last !== undefined) return;
    this.carrier.step({ call: this.id, step: { $case: 'credit', value: this.readBytes } });
    this.credit += this.readBytes;
    this.readBytes = 0;
  }

  private drop(): void {
    this.ready.length = 0;
    this.pieces = [];
  }

  private finish(status: CallStatus): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.carrier.over(this);
    this.sink.end(status);
  }
}

function brokenRule(what: string): CallStatus {
  return { code: grpcCode.INTERNAL, message: `the plugin ${what}`, details: undefined };
}
