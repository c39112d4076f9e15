import type { Caller } from './caller.js';
import type { Log } from './log.js';
import type { CallContext } from './plugin.js';
import type { Work } from './work.js';

/** What a call needs to know of who makes it. */
type Surface = Pick<Caller, 'cancelled' | 'deadline' | 'onCancelled'>;

/** How long work may go on after it was told to stop before it is given up, in milliseconds. */
const unwindingBound = 5_000;

/** What a handler sees of its call. Most need neither signal nor log: both are made when they are asked for. */
class OpenContext implements CallContext {
  readonly #call: OpenCall;
  readonly #hostLog: Log;
  readonly requestId: string;
  readonly deadline: number | undefined;
  #log: Log | undefined;
  #controller: AbortController | undefined;

  constructor(call: OpenCall, log: Log, requestId: string, deadline: number) {
    this.#call = call;
    this.#hostLog = log;
    this.requestId = requestId;
    this.deadline = Number.isFinite(deadline) ? deadline : undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#call.aborted) this.#controller.abort(this.#call.reason);
    }
    return this.#controller.signal;
  }

  get log(): Log {
    const { requestId } = this;
    return (this.#log ??= requestId === '' ? this.#hostLog : this.#hostLog.child({ requestId }));
  }

  onAbort(listener: (reason: Error) => void): void {
    this.#call.onAbort(listener);
  }

  /** Aborts the signal, if anybody has it. */
  abort(reason: Error): void {
    this.#controller?.abort(reason);
  }
}

/** One call from its arrival until its work has really ended. */
export class OpenCall {
  /** It counts as work that a drain waits for. */
  readonly counted: boolean;
  readonly #context: OpenContext;
  readonly #work: Work;
  readonly #onAbort: ((reason: Error) => void)[] = [];
  readonly #place: number;
  #reason: Error | undefined;
  #closed = false;
  #unwinding: NodeJS.Timeout | undefined;

  constructor(caller: Surface, work: Work, log: Log, counted: boolean, requestId: string) {
    const { deadline } = caller;
    this.#work = work;
    this.counted = counted;
    this.#context = new OpenContext(this, log, requestId, deadline);
    this.#place = work.enter(this);
    // This may come after the end too; by then the call is closed and there is nothing to say.
    const cancelled = (): void => {
      if (!this.#closed) this.abort(departure(deadline));
    };
    caller.onCancelled(cancelled);
    if (caller.cancelled) queueMicrotask(cancelled);
  }

  get context(): CallContext {
    return this.#context;
  }

  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  /** Why the call was aborted; undefined while it was not. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Runs `action` when the call is aborted, before the handler hears of it. */
  onAbort(action: (reason: Error) => void): void {
    if (this.#reason !== undefined) action(this.#reason);
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
    // The list is empty afterwards, also of what an action adds.
    for (let action = this.#onAbort.shift(); action !== undefined; action = this.#onAbort.shift()) {
      action(reason);
    }
    this.#reason = reason;
    this.#context.abort(reason);
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
