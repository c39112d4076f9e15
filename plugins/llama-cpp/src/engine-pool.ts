import type { Engine } from './engine/engine.js';
import { EngineError } from './engine/errors.js';

/** Starts an engine for a model. */
export type EngineStarter<Overrides> = (
  model: string,
  overrides: Overrides,
  signal: AbortSignal,
  onProgress: (fraction: number) => void,
) => Promise<Engine & { readonly failed?: EngineError | undefined }>;

export type PoolPhase = 'unloaded' | 'loading' | 'ready' | 'unloading' | 'failed';

export interface PoolStatus {
  readonly phase: PoolPhase;
  readonly reason?: string;
  readonly expires?: Date;
  readonly engine?: Engine;
  readonly fraction?: number;
}

/** The right to use an engine; release it exactly once. */
export interface EngineLease {
  readonly engine: Engine;
  /** @param keepAliveMs overrides how long the model stays: 0 unloads it, a negative number keeps it. */
  release(keepAliveMs?: number): void;
}

interface Entry {
  readonly id: string;
  readonly started: Promise<Engine & { readonly failed?: EngineError | undefined }>;
  readonly giveUp: AbortController;
  engine: (Engine & { readonly failed?: EngineError | undefined }) | undefined;
  fraction: number | undefined;
  leases: number;
  /** Counts uses, not time: two uses never tie. */
  lastUsed: number;
  timer: NodeJS.Timeout | undefined;
  expires: Date | undefined;
  /** Set once it is to go; resolves when it is gone. */
  leaving: Promise<void> | undefined;
  idle: (() => void) | undefined;
}

/** Longest wait for a place when every loaded model is in use. */
const PLACE_WAIT_MS = 60_000;

/**
 * The models in memory: loaded on demand, one start per model however many wait for it, at most `maxLoaded`. The one
 * unused longest makes room; one in use never does.
 */
export class EnginePool<Overrides extends object> {
  readonly #start: EngineStarter<Overrides>;
  readonly #maxLoaded: number;
  readonly #keepAliveMs: number | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #failures = new Map<string, string>();
  readonly #changed = new Set<() => void>();
  #uses = 0;
  #closed = false;

  constructor(
    start: EngineStarter<Overrides>,
    options: { maxLoaded: number; keepAliveMs?: number | undefined },
  ) {
    this.#start = start;
    this.#maxLoaded = options.maxLoaded;
    this.#keepAliveMs = options.keepAliveMs;
  }

  status(id: string): PoolStatus {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      const reason = this.#failures.get(id);
      return reason === undefined ? { phase: 'unloaded' } : { phase: 'failed', reason };
    }
    if (entry.leaving !== undefined) return { phase: 'unloading' };
    if (entry.engine === undefined) {
      return { phase: 'loading', ...(entry.fraction === undefined ? {} : { fraction: entry.fraction }) };
    }
    return {
      phase: 'ready',
      engine: entry.engine,
      ...(entry.expires === undefined ? {} : { expires: entry.expires }),
    };
  }

  /** Engines that are ready. */
  engines(): Engine[] {
    return [...this.#entries.values()].flatMap(({ engine }) => (engine === undefined ? [] : [engine]));
  }

  /** Whether a request would have to wait for the model to be loaded. */
  isReady(id: string): boolean {
    return this.status(id).phase === 'ready';
  }

  /** Waits until the model is loaded and keeps it there until released. The load goes on when the caller leaves. */
  async acquire(
    id: string,
    signal: AbortSignal,
    overrides: Overrides = {} as Overrides,
  ): Promise<EngineLease> {
    const deadline = Date.now() + PLACE_WAIT_MS;
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) throw new EngineError('stopped', 'the plugin is stopping');
      const present = this.#entries.get(id);
      if (present?.leaving !== undefined) {
        await within(present.leaving, signal);
        continue;
      }
      if (present?.engine?.failed !== undefined) {
        await within(this.#remove(present), signal);
        continue;
      }
      const entry = present ?? (await this.#begin(id, overrides, signal, deadline));
      if (entry === undefined) continue;
      entry.leases++;
      try {
        const engine = await within(entry.started, signal);
        return { engine, release: once((keepAliveMs?: number) => this.#release(entry, keepAliveMs)) };
      } catch (error) {
        this.#release(entry);
        throw error;
      }
    }
  }

  /**
   * Unloads a model. With requests in flight it goes when the last one ends; nothing new is given to it, and the
   * promise resolves at once. Without, it resolves when the engine is gone.
   */
  async unload(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    this.#failures.delete(id);
    if (entry === undefined) return;
    const gone = this.#remove(entry);
    if (entry.engine === undefined || entry.leases === 0) await gone;
  }

  /** Stops everything, live requests included. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#notify();
    await Promise.all(
      [...this.#entries.values()].map(async (entry) => {
        clearTimeout(entry.timer);
        entry.giveUp.abort(new EngineError('stopped', 'the plugin is stopping'));
        await (await entry.started.catch(() => undefined))?.stop();
      }),
    );
    this.#entries.clear();
  }

  /** Begins a load once there is a place; undefined when the situation changed while waiting for one. */
  async #begin(
    id: string,
    overrides: Overrides,
    signal: AbortSignal,
    deadline: number,
  ): Promise<Entry | undefined> {
    if (this.#entries.size >= this.#maxLoaded) {
      await this.#makePlace(signal, deadline);
      return undefined;
    }
    this.#failures.delete(id);
    const giveUp = new AbortController();
    const entry: Entry = {
      id,
      giveUp,
      engine: undefined,
      fraction: undefined,
      leases: 0,
      lastUsed: ++this.#uses,
      timer: undefined,
      expires: undefined,
      leaving: undefined,
      idle: undefined,
      started: Promise.resolve().then(() =>
        this.#start(id, overrides, giveUp.signal, (fraction) => {
          entry.fraction = fraction;
          this.#notify();
        }),
      ),
    };
    this.#entries.set(id, entry);
    entry.started.then(
      (engine) => {
        entry.engine = engine;
        this.#notify();
      },
      (error: unknown) => {
        if (this.#entries.get(id) === entry) this.#entries.delete(id);
        if (!giveUp.signal.aborted)
          this.#failures.set(id, error instanceof EngineError ? error.message : 'it could not be loaded');
        this.#notify();
      },
    );
    return entry;
  }

  async #makePlace(signal: AbortSignal, deadline: number): Promise<void> {
    const entries = [...this.#entries.values()];
    const idle = entries
      .filter(({ leases, engine, leaving }) => leases === 0 && engine !== undefined && leaving === undefined)
      .sort((a, b) => a.lastUsed - b.lastUsed)[0];
    const leaving = entries.find((entry) => entry.leaving !== undefined)?.leaving;
    if (idle !== undefined) return within(this.#remove(idle), signal);
    if (leaving !== undefined) return within(Promise.race([leaving, this.#change(deadline, signal)]), signal);
    if (Date.now() >= deadline) {
      throw new EngineError(
        'queue_full',
        `all ${this.#maxLoaded} places for models are in use; try again later, or raise maxLoaded`,
      );
    }
    await this.#change(deadline, signal);
  }

  /** Waits for a lease to end or a load to finish, or for the deadline. */
  async #change(deadline: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#changed.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, deadline - Date.now()));
      this.#changed.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #notify(): void {
    for (const wake of [...this.#changed]) wake();
  }

  #release(entry: Entry, keepAliveMs = this.#keepAliveMs): void {
    entry.leases--;
    entry.lastUsed = ++this.#uses;
    if (entry.leases > 0) return;
    entry.idle?.();
    this.#notify();
    clearTimeout(entry.timer);
    entry.expires = undefined;
    if (keepAliveMs === undefined || keepAliveMs < 0 || entry.engine === undefined) return;
    if (keepAliveMs === 0) {
      void this.#remove(entry);
      return;
    }
    const wait = Math.min(keepAliveMs, 2_147_483_647);
    entry.expires = new Date(Date.now() + wait);
    entry.timer = setTimeout(() => {
      if (entry.leases === 0) void this.#remove(entry);
    }, wait);
    entry.timer.unref();
  }

  #remove(entry: Entry): Promise<void> {
    entry.leaving ??= (async () => {
      clearTimeout(entry.timer);
      if (entry.engine === undefined) {
        entry.giveUp.abort(new EngineError('stopped', 'the model was unloaded while it was being loaded'));
      } else if (entry.leases > 0) {
        await new Promise<void>((resolve) => (entry.idle = resolve));
      }
      await (await entry.started.catch(() => undefined))?.stop();
      if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
      this.#notify();
    })();
    return entry.leaving;
  }
}

function once<A extends unknown[]>(action: (...args: A) => void): (...args: A) => void {
  let done = false;
  return (...args) => {
    if (done) return;
    done = true;
    action(...args);
  };
}

/** A promise, given up when the signal says so. */
async function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
