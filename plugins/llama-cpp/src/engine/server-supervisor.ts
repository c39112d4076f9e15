import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from './errors.js';
import { ServerLife, type ServerLifeOptions } from './server-life.js';
import { describeExit } from './start-failure.js';

/** Pauses before a restart; the last one repeats. Short enough that a request finds an engine within five seconds. */
const BACK_OFF_MS = [50, 250, 1_000, 2_000, 4_000] as const;
/** So many starts that fail in a row, and the engine is given up. */
const MAX_FAILED_STARTS = 5;
/** A life of this length proves that the engine works, and the pauses start over. */
const STABLE_MS = 30_000;
/** Longest wait of a request for an engine that is coming back. */
const RESTART_WAIT_MS = 10_000;

/** Keeps one llama-server running: when it dies, another one is started, after a pause when it keeps dying. */
export class ServerSupervisor {
  readonly #options: ServerLifeOptions;
  readonly #onCrash: (error: EngineError) => void;
  readonly #stopping = new AbortController();
  /** The process that runs; undefined while there is none. */
  #current: ServerLife | undefined;
  /** The running process, or the start that is under way. Rejects when a start failed. */
  #coming: Promise<ServerLife>;
  #deaths = 0;
  #failedStarts = 0;
  #failed: EngineError | undefined;

  constructor(options: ServerLifeOptions, first: ServerLife, onCrash: (error: EngineError) => void) {
    this.#options = options;
    this.#onCrash = onCrash;
    this.#coming = Promise.resolve(first);
    this.#watch(first);
  }

  /** Why the engine was given up; undefined while it works or is being restarted. */
  get failed(): EngineError | undefined {
    return this.#failed;
  }

  get current(): ServerLife | undefined {
    return this.#current;
  }

  /** The running server; waits a bounded time for one that is coming back. */
  async ready(signal: AbortSignal): Promise<ServerLife> {
    if (this.#stopping.signal.aborted) throw this.#stopping.signal.reason as EngineError;
    signal.throwIfAborted();
    return this.#current ?? this.#wait(signal);
  }

  /** Ends live requests with this reason and then the process, for good. */
  async stop(reason: EngineError): Promise<void> {
    this.#stopping.abort(reason);
    const life = await this.#coming.catch(() => undefined);
    await life?.stop(reason);
  }

  /** Says in our words why a request failed; a broken connection is asked whether the process is dead. */
  async explain(error: unknown, life: ServerLife | undefined, signal: AbortSignal): Promise<Error> {
    if (signal.aborted) {
      const reason: unknown = signal.reason;
      return reason instanceof EngineError
        ? reason
        : new EngineError('cancelled', 'the request was cancelled', { cause: error });
    }
    if (this.#stopping.signal.aborted) return this.#stopping.signal.reason as EngineError;
    const known = error instanceof EngineError ? error : undefined;
    const broken = known === undefined || known.kind === 'crashed' || known.kind === 'truncated';
    if (life === undefined || !broken) {
      return known ?? new EngineError('engine_error', 'the engine cannot be reached', { cause: error });
    }
    const timer = new AbortController();
    const exit = await Promise.race([
      life.process.exit,
      delay(500, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    if (exit !== undefined) {
      return new EngineError('crashed', `the engine ${describeExit(exit)} while it worked on the request`, {
        detail: life.process.tail.text(20),
        cause: error,
      });
    }
    return known ?? new EngineError('truncated', 'the connection to the engine broke off', { cause: error });
  }

  #wait(signal: AbortSignal): Promise<ServerLife> {
    const waited = AbortSignal.timeout(RESTART_WAIT_MS);
    const bound = AbortSignal.any([signal, this.#stopping.signal, waited]);
    return new Promise<ServerLife>((resolve, reject) => {
      const onAbort = (): void =>
        reject(
          waited.aborted
            ? new EngineError('loading', 'the engine has crashed and is being restarted; try again shortly')
            : (bound.reason as Error),
        );
      bound.addEventListener('abort', onAbort, { once: true });
      this.#coming.then(resolve, reject).finally(() => bound.removeEventListener('abort', onAbort));
    });
  }

  #watch(life: ServerLife): void {
    const born = Date.now();
    this.#current = life;
    void life.process.exit.then((exit) => {
      this.#current = undefined;
      if (this.#stopping.signal.aborted) return;
      const error = new EngineError('crashed', `the engine ${describeExit(exit)}`, {
        detail: life.process.tail.text(20),
      });
      void life.client.close(error);
      if (Date.now() - born > STABLE_MS) this.#deaths = 0;
      this.#restart();
      this.#onCrash(error);
    });
  }

  #restart(): void {
    const pause = BACK_OFF_MS[Math.min(this.#deaths, BACK_OFF_MS.length - 1)] ?? 0;
    this.#deaths++;
    const signal = this.#stopping.signal;
    this.#coming = (async () => {
      await delay(pause, undefined, { signal });
      const life = await ServerLife.start(this.#options, signal);
      if (signal.aborted) {
        await life.stop(signal.reason as EngineError);
        throw signal.reason;
      }
      this.#failedStarts = 0;
      this.#watch(life);
      return life;
    })();
    this.#coming.catch((cause: unknown) => {
      if (signal.aborted) return;
      const error =
        cause instanceof EngineError ? cause : new EngineError('crashed', 'the restart failed', { cause });
      // A request that waited has heard why; the next one finds another attempt under way.
      if (++this.#failedStarts >= MAX_FAILED_STARTS) this.#failed = error;
      else this.#restart();
      this.#onCrash(error);
    });
  }
}
