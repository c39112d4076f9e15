import type { ProgressUpdate } from './catalog.js';
import type { Clock } from './clock.js';
import type { Exchange } from './exchange.js';
import type { McpLimits } from './limits.js';

/** Parameters of one `notifications/progress`. */
export interface ProgressParams {
  readonly progressToken: string | number;
  readonly progress: number;
  readonly total?: number;
  readonly message?: string;
  readonly [key: string]: unknown;
}

/** Size of the frame around the parameters on the wire. */
const FRAME_BYTES = 90;
/** Nudges a heartbeat past the last report without reaching the next. */
const NUDGE = 1e-6;

/**
 * Turns the progress of one call into notifications: joins deltas that come close together,
 * keeps `progress` strictly increasing, sends a sign of life when the call is quiet, and
 * leaves out what a slow reader cannot take. The result is never left out: it is not sent here.
 */
export class ProgressRelay {
  #pending = '';
  #last: number | undefined;
  #total: number | undefined;
  #sentAt = -Infinity;
  #quietSince: number;
  /** The last report on its way out. */
  #tail: Promise<unknown> = Promise.resolve();
  #callOffFlush: (() => void) | undefined;
  #callOffHeartbeat: (() => void) | undefined;
  #closed = false;
  /** Reports left out because the reader was too slow. */
  dropped = 0;

  constructor(
    private readonly token: string | number,
    private readonly send: (params: ProgressParams) => Promise<unknown>,
    private readonly exchange: Exchange,
    private readonly limits: McpLimits,
    private readonly clock: Clock,
  ) {
    this.#quietSince = clock.now();
    this.#armHeartbeat();
  }

  /** Takes a report of the tool. */
  readonly report = (update: ProgressUpdate): void => {
    if (this.#closed) return;
    if (update.delta !== true) {
      this.#flush();
      this.#emit(update.message, update.progress, update.total);
      return;
    }
    this.#pending += update.message;
    if (this.#pending.length >= this.limits.progressFlushBytes) this.#flush();
    else this.#flushSoon();
  };

  /** Says nothing more: the request is cancelled. */
  silence(): void {
    this.#closed = true;
    this.#pending = '';
    this.#callOffFlush?.();
    this.#callOffHeartbeat?.();
  }

  /** Sends what is pending and nothing after: a report must not follow the result. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#flush();
      this.#closed = true;
      this.#callOffHeartbeat?.();
    }
    await this.#tail;
  }

  /** The first delta after a pause goes at once, so that joining costs no time to the first token. */
  #flushSoon(): void {
    if (this.#callOffFlush !== undefined) return;
    const wait = this.#sentAt + this.limits.progressFlushMs - this.clock.now();
    if (wait <= 0) this.#flush();
    else this.#callOffFlush = this.clock.after(wait, () => this.#flush());
  }

  #flush(): void {
    this.#callOffFlush?.();
    this.#callOffFlush = undefined;
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    for (const piece of pieces(text, this.limits.progressFlushBytes * 16)) this.#emit(piece);
  }

  #emit(message: string | undefined, progress?: number, total?: number): void {
    const waiting = this.exchange.outstanding();
    if (waiting > this.limits.outstandingBytes) {
      this.#closed = true;
      this.#callOffHeartbeat?.();
      this.exchange.kill('the reader is too slow');
      return;
    }
    if (waiting > this.limits.progressBytes) {
      this.dropped += 1;
      return;
    }
    this.#total = total ?? this.#total;
    const params: ProgressParams = {
      progressToken: this.token,
      progress: this.#next(progress, message === undefined),
      ...(this.#total === undefined ? {} : { total: this.#total }),
      ...(message === undefined ? {} : { message }),
    };
    this.#sentAt = this.#quietSince = this.clock.now();
    this.exchange.sent(FRAME_BYTES + (message === undefined ? 0 : Buffer.byteLength(message)));
    this.#tail = this.send(params).catch(() => undefined);
  }

  /** Strictly more than the last: what the tool says, else the count of reports. */
  #next(wanted: number | undefined, heartbeat: boolean): number {
    const last = this.#last;
    let next: number;
    if (wanted !== undefined && (last === undefined || wanted > last)) next = wanted;
    else if (last === undefined) next = heartbeat ? 0 : 1;
    else if (wanted !== undefined || heartbeat) next = last + NUDGE;
    else next = Math.floor(last) + 1;
    this.#last = next;
    return next;
  }

  #armHeartbeat(wait = this.limits.heartbeatMs): void {
    this.#callOffHeartbeat = this.clock.after(wait, () => {
      const quiet = this.clock.now() - this.#quietSince;
      if (quiet >= this.limits.heartbeatMs) {
        this.#quietSince = this.clock.now();
        this.#emit(undefined);
        if (!this.#closed) this.#armHeartbeat();
      } else this.#armHeartbeat(this.limits.heartbeatMs - quiet);
    });
  }
}

/** Cuts a text into pieces of at most `size` UTF-16 units, never inside a surrogate pair. */
function* pieces(text: string, size: number): Generator<string> {
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + size, text.length);
    const unit = text.charCodeAt(end - 1);
    if (end < text.length && unit >= 0xd800 && unit <= 0xdbff) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}
