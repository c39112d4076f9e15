import type { CallAnswer, CallEnd } from '@outrigger/proto';
import type { Caller } from './caller.js';
import type { GrpcStatus } from './status.js';

/** Bytes of messages that may be sent before the host grants more. */
const firstCredit = 64 * 1024;
/** Longer messages travel in pieces of this size. */
const pieceBytes = 256 * 1024;

const ok: CallEnd = { code: 0, message: '', details: Buffer.alloc(0) };

/** The carrier that a call travels on. */
export interface CallCarrier {
  send(answer: CallAnswer): void;
  /** The call's end has been sent. */
  ended(call: number): void;
}

/** The caller of a call that shares its stream with others. */
export class CarriedCaller implements Caller {
  cancelled = false;
  readonly requestId = '';
  readonly deadline: number;
  #credit = firstCredit;
  #waiting: Buffer[] = [];
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
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.cancel(), timeoutMs);
  }

  onCancelled(listener: () => void): void {
    this.#onCancelled = listener;
  }

  onDrain(listener: (() => void) | undefined): void {
    this.#drained = listener;
  }

  write(message: Buffer): boolean {
    if (this.#ended || this.#end !== undefined) return true;
    if (this.#credit > 0) this.#send(message);
    else this.#waiting.push(message);
    return this.#credit > 0;
  }

  end(): void {
    this.#finish(ok);
  }

  fail({ code, details, metadata }: GrpcStatus): void {
    const bytes = metadata.get('grpc-status-details-bin')[0];
    this.#finish({ code, message: details, details: Buffer.isBuffer(bytes) ? bytes : ok.details });
  }

  /** The host takes so many bytes more. */
  grant(bytes: number): void {
    this.#credit += bytes;
    while (this.#credit > 0) {
      const message = this.#waiting.shift();
      if (message === undefined) break;
      this.#send(message);
    }
    if (this.#end !== undefined) this.#leave(this.#end);
    else if (this.#credit > 0) this.#drained?.();
  }

  /** The host has given the call up, or its deadline has passed. */
  cancel(): void {
    if (this.#ended) return;
    this.cancelled = true;
    this.#waiting = [];
    if (this.#end !== undefined) this.#leave(this.#end);
    else this.#onCancelled?.();
  }

  #send(message: Buffer): void {
    this.#credit -= message.length;
    const { call, carrier } = this;
    for (let from = 0; ; from += pieceBytes) {
      const more = message.length - from > pieceBytes;
      carrier.send({
        call,
        message: from === 0 && !more ? message : message.subarray(from, from + pieceBytes),
        more,
      });
      if (!more) return;
    }
  }

  /** Messages that still wait for credit go first. */
  #finish(end: CallEnd): void {
    if (this.#ended || this.#end !== undefined) return;
    if (this.#waiting.length === 0 || this.cancelled) this.#leave(end);
    else this.#end = end;
  }

  #leave(end: CallEnd): void {
    if (this.#waiting.length > 0) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.carrier.send({ call: this.call, more: false, end });
    this.carrier.ended(this.call);
  }
}
