import type { CallAnswer, CallEnd } from '@outrigger/proto';
import type { Caller } from './caller.js';
import { departure } from './open-call.js';
import { statusOf, type GrpcStatus } from './status.js';

/** Credit before the host grants more. */
const firstCredit = 64 * 1024;
/** What a message takes from the credit beside its bytes: empty ones are not free. */
const messageCost = 32;
/** Longer messages travel in pieces of this size. */
const pieceBytes = 256 * 1024;
/** The longest time that a timer can measure, in milliseconds; beyond it there is no deadline to watch. */
const longestTimer = 0x7fff_ffff;

const ok: CallEnd = { code: 0, message: '', details: Buffer.alloc(0) };

/** The carrier that a call travels on. */
export interface CallCarrier {
  send(answer: CallAnswer): void;
  /** Asks for `piece` as often as there is room, until it says that the message is whole. */
  sendInPieces(caller: CarriedCaller): void;
  /** More waits to leave than should; `resume` is called once when that is over. */
  isClogged(caller: CarriedCaller): boolean;
  /** The call's end has been sent. */
  ended(call: number): void;
}

/** The caller of a call that shares its stream with others. */
export class CarriedCaller implements Caller {
  cancelled = false;
  readonly requestId = '';
  readonly deadline: number;
  #credit = firstCredit;
  /** In order; the first may be on its way in pieces. */
  #waiting: Buffer[] = [];
  #inPieces = false;
  #sentOfFirst = 0;
  #end: CallEnd | undefined;
  #ended = false;
  #onCancelled: (() => void) | undefined;
  #drained: (() => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly carrier: CallCarrier,
    private readonly call: number,
    timeoutMs: number,
  ) {
    this.deadline = timeoutMs === 0 ? Infinity : Date.now() + timeoutMs;
    if (timeoutMs > 0 && timeoutMs <= longestTimer) this.#timer = setTimeout(() => this.cancel(), timeoutMs);
  }

  /** Its handler has ended, its last messages wait for the host. */
  get answered(): boolean {
    return this.#end !== undefined;
  }

  onCancelled(listener: () => void): void {
    if (!this.#ended) this.#onCancelled = listener;
  }

  onDrain(listener: (() => void) | undefined): void {
    if (!this.#ended) this.#drained = listener;
  }

  write(message: Buffer): boolean {
    if (this.#ended || this.cancelled || this.#end !== undefined) return true;
    if (this.#credit > 0 && message.length <= pieceBytes && this.#waiting.length === 0) this.#send(message);
    else {
      this.#waiting.push(message);
      this.#proceed();
    }
    return this.#credit > 0 && this.#waiting.length === 0 && !this.carrier.isClogged(this);
  }

  end(): void {
    this.#finish(ok);
  }

  fail(status: GrpcStatus): void {
    this.#finish(endOf(status));
  }

  /** The host takes so many bytes more. */
  grant(bytes: number): void {
    this.#credit += bytes;
    this.#proceed();
    this.resume();
  }

  /** Wakes a handler that waited, if it need not wait any more. */
  resume(): void {
    if (this.#credit > 0 && this.#waiting.length === 0) this.#drained?.();
  }

  /** Sends the next piece of a long message; true when more of it follows. */
  piece(): boolean {
    const [message] = this.#waiting;
    if (message === undefined) return false;
    const from = this.#sentOfFirst;
    const to = from + pieceBytes;
    const more = to < message.length;
    if (from === 0) this.#credit -= message.length + messageCost;
    this.#sentOfFirst = to;
    this.carrier.send({ call: this.call, message: message.subarray(from, to), more });
    if (more) return true;
    this.#waiting.shift();
    this.#inPieces = false;
    this.#sentOfFirst = 0;
    this.#proceed();
    this.resume();
    return false;
  }

  /** The host has given the call up, or its deadline has passed. */
  cancel(): void {
    if (this.#ended) return;
    this.cancelled = true;
    this.#waiting = [];
    // What it ends with says that messages are missing.
    if (this.#end !== undefined) this.#leave(endOf(statusOf(departure(this.deadline), undefined)));
    else this.#onCancelled?.();
  }

  #send(message: Buffer): void {
    this.#credit -= message.length + messageCost;
    this.carrier.send({ call: this.call, message, more: false });
  }

  /** Sends what waits as far as the credit goes, then the end. */
  #proceed(): void {
    if (this.#inPieces) return;
    while (this.#credit > 0) {
      const [message] = this.#waiting;
      if (message === undefined) break;
      if (message.length > pieceBytes) {
        this.#inPieces = true;
        this.carrier.sendInPieces(this);
        return;
      }
      this.#waiting.shift();
      this.#send(message);
    }
    if (this.#end !== undefined && this.#waiting.length === 0) this.#leave(this.#end);
  }

  /** Messages that still wait for credit go first. */
  #finish(end: CallEnd): void {
    if (this.#ended || this.#end !== undefined) return;
    if (this.#waiting.length === 0) this.#leave(end);
    else this.#end = end;
  }

  #leave(end: CallEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    // The carrier's table may hold on to this caller for a while, but not to its handler's things.
    this.#onCancelled = this.#drained = undefined;
    this.carrier.send({ call: this.call, more: false, end });
    this.carrier.ended(this.call);
  }
}

function endOf({ code, details, metadata }: GrpcStatus): CallEnd {
  const bytes = metadata.get('grpc-status-details-bin')[0];
  return { code, message: details, details: Buffer.isBuffer(bytes) ? bytes : ok.details };
}
