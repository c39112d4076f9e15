/**
 * The way back to one caller: one HTTP exchange, or the pipe of stdio. It counts what
 * waits for the reader, because neither SDK does: both enqueue without end.
 */
export interface Exchange {
  readonly requestId: string;
  readonly principal?: string | undefined;
  /** Aborted when nobody can read the answer any more. */
  readonly signal: AbortSignal;
  /** Bytes sent and not yet taken by the reader. */
  outstanding(): number;
  /** Notes that a message of this size goes out. */
  sent(bytes: number): void;
  /** Gives the connection up. */
  kill(reason: string): void;
}

/** The exchange of one HTTP request. */
export class HttpExchange implements Exchange {
  readonly #abort = new AbortController();
  readonly #endListeners: (() => void)[] = [];
  /** Sizes of messages that the pump has not yet delivered, oldest first. */
  readonly #queue: number[] = [];
  #outstanding = 0;
  #ended = false;
  /** Destroys the connection; set by the endpoint. */
  onKill: (reason: string) => void = () => undefined;

  constructor(
    readonly requestId: string,
    readonly principal?: string,
  ) {}

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  outstanding(): number {
    return this.#outstanding;
  }

  sent(bytes: number): void {
    this.#queue.push(bytes);
    this.#outstanding += bytes;
  }

  /** The pump has delivered the oldest message. */
  delivered(): void {
    this.#outstanding -= this.#queue.shift() ?? 0;
  }

  kill(reason: string): void {
    this.leave(reason);
    this.onKill(reason);
  }

  /** Nobody reads any more. */
  leave(reason: string): void {
    if (!this.#ended) this.#abort.abort(new Error(reason));
  }

  /** Calls back once when the exchange is over, at once when it is. */
  onEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#endListeners.push(listener);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const listener of this.#endListeners) listener();
  }
}
