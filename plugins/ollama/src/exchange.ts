import type { CallContext } from '@outrigger/sdk-plugin';
import type { Dispatcher } from 'undici';
import { connectionError, upstreamError } from './ollama-errors.js';

/** Bytes that may wait for their reader before the connection is paused. */
const highWater = 1024 * 1024;
/** Most of an error's body that is read. */
const errorBodyBytes = 64 * 1024;
/** How long the end of an answer may stay away after its last line, before the connection is given up. */
const tailMs = 1_000;

/** Who may give a request up: a signal, or the call that it is made for. */
export type Canceller = AbortSignal | Pick<CallContext, 'onAbort'>;

/**
 * One request and its answer, straight on undici's dispatcher: no stream object
 * and no promise per read stand between the socket and the reader.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #baseUrl: string;
  readonly #signal: AbortSignal | undefined;
  readonly #onClose: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #retryAfter: string | undefined;
  #chunks: Buffer[] = [];
  #waiting = 0;
  #ended = false;
  #discard = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(baseUrl: string, canceller: Canceller, onClose: () => void) {
    this.#baseUrl = baseUrl;
    this.#onClose = onClose;
    if ('onAbort' in canceller) canceller.onAbort(this.#giveUp);
    else {
      this.#signal = canceller;
      if (canceller.aborted) this.#onAbort();
      else canceller.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  /**
   * The bytes that have come; waits for some. Undefined at the end of a good
   * answer. Rejects with a PluginError for a bad status and for connections
   * that break, and with the canceller's reason when it gives the request up.
   */
  async read(): Promise<Buffer[] | undefined> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const bad = this.#status !== 0 && (this.#status < 200 || this.#status > 299);
      if (bad && (this.#ended || this.#waiting > errorBodyBytes)) {
        this.cancel();
        throw upstreamError(this.#status, Buffer.concat(this.#chunks).toString('utf8'), this.#retryAfter);
      }
      if (!bad && this.#chunks.length > 0) return this.#take();
      if (!bad && this.#ended) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The reader has all it needs: what still comes is thrown away, and the connection lives on if it ends soon. */
  release(): void {
    if (this.#ended || this.#error !== undefined) return;
    this.#discard = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    if (this.#controller?.paused === true) this.#controller.resume();
    const timer = setTimeout(() => this.cancel(), tailMs);
    timer.unref();
  }

  /** Ends the request: the connection is closed, which makes Ollama stop. */
  cancel(): void {
    if (!this.#ended && this.#error === undefined)
      this.#fail(new DOMException('the request was given up', 'AbortError'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#error !== undefined) controller.abort(this.#error);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    if (status > 299 && typeof headers['retry-after'] === 'string') this.#retryAfter = headers['retry-after'];
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#discard) return;
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#waiting > highWater) controller.pause();
    this.#notify();
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#close();
    this.#notify();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#error ??= connectionError(error, this.#baseUrl, this.#status !== 0);
    this.#close();
    this.#notify();
  }

  readonly #onAbort = (): void => this.#giveUp(this.#signal?.reason as Error);

  readonly #giveUp = (reason: Error): void => {
    // Whoever has released it has all that was wanted.
    if (!this.#discard) this.#fail(reason);
  };

  #fail(error: Error): void {
    if (this.#error !== undefined || this.#ended) return;
    this.#error = error;
    // Before the request has a connection there is no controller; onRequestStart will abort it,
    // and until then it counts as waiting.
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#controller?.abort(error);
    this.#notify();
  }

  #take(): Buffer[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#waiting = 0;
    if (this.#controller?.paused === true) this.#controller.resume();
    return chunks;
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onClose();
  }
}
