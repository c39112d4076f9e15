import type { Caller } from './caller.js';
import type { Log } from './log.js';
import type { CallContext } from './plugin.js';
import type { Work } from './work.js';

/** What a call needs to know of who makes it. */
type Surface = Pick<Caller, 'cancelled' | 'deadline' | 'onCancelled'>;

/** How long work may go on after it was told to stop before it is given up, in milliseconds. */
const unwindingBound = 5_000;

/** One call from its arrival until its work has really ended. */
export class OpenCall {
  readonly context: CallContext;
  /** It counts as work that a drain waits for. */
  readonly counted: boolean;
  readonly #work: Work;
  readonly #controller = new AbortController();
  readonly #onAbort: ((reason: Error) => void)[] = [];
  readonly #place: number;
  #closed = false;
  #unwinding: NodeJS.Timeout | undefined;

  constructor(caller: Surface, work: Work, log: Log, counted: boolean, requestId: string) {
    const { deadline } = caller;
    this.#work = work;
    this.counted = counted;
    this.context = {
      signal: this.#controller.signal,
      requestId,
      deadline: Number.isFinite(deadline) ? deadline : undefined,
      log: requestId === '' ? log : log.child({ requestId }),
    };
    this.#place = work.enter(this);
    // This may come after the end too; by then the call is closed and there is nothing to say.
    const cancelled = (): void => {
      if (!this.#closed) this.abort(departure(deadline));
    };
    caller.onCancelled(cancelled);
    if (caller.cancelled) queueMicrotask(cancelled);
  }

  get aborted(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Why the call was aborted. */
  get reason(): Error {
    return this.#controller.signal.reason as Error;
  }

  /** Runs `action` when the call is aborted, before the handler hears of it. */
  onAbort(action: (reason: Error) => void): void {
    if (this.aborted) action(this.reason);
    else this.#onAbort.push(action);
  }

  /** Tells the handler to stop. Its work counts on until it ends, but no longer than the bound. */
  abort(reason: Error): void {
    if (this.#closed || this.aborted) return;
    this.#unwinding = setTimeout(() => {
      this.context.log.error('a handler goes on although its call has ended; it ignores context.signal');
      this.close();
    }, unwindingBound);
    this.#unwinding.unref();
    const actions = this.#onAbort.splice(0);
    for (const action of actions) action(reason);
    this.#controller.abort(reason);
  }

  /** The work has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#unwinding);
    this.#work.leave(this, this.#place);
  }
}

/**
 * The caller's clock started before ours, so its cancellation arrives shortly
 * before our deadline; in milliseconds.
 */
const clockSlack = 100;

/** Why a call that nobody waits for any more ends; tells it from an abort inside a handler. */
export class Departure extends DOMException {}

export function departure(deadline: number): Departure {
  return Date.now() >= deadline - clockSlack
    ? new Departure('the deadline of the call has passed', 'TimeoutError')
    : new Departure('the caller has left', 'AbortError');
}
