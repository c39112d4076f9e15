import type { OpenCall } from './open-call.js';
import { Roster } from './roster.js';

/** What a plugin is working on, and whether it takes on more. */
export class Work {
  readonly #open = new Roster<OpenCall>();
  readonly #watchers = new Set<() => void>();
  #inFlight = 0;
  #draining = false;

  /** Calls that count as work: inference and the plugin's own methods. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** New work is refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Begins or ends draining. */
  setDraining(draining: boolean): void {
    if (this.#draining === draining) return;
    this.#draining = draining;
    this.#changed();
  }

  /** A call begins; its place is the way to leave again. */
  enter(call: OpenCall): number {
    if (call.counted) {
      this.#inFlight += 1;
      this.#changed();
    }
    return this.#open.add(call);
  }

  /** A call has ended; to be said once. */
  leave(call: OpenCall, place: number): void {
    this.#open.remove(place);
    if (call.counted) {
      this.#inFlight -= 1;
      this.#changed();
    }
  }

  /** Ends every open call with this error. */
  cut(reason: Error): void {
    for (const call of this.#open.members()) call.abort(reason);
  }

  /** Calls `watcher` after every change, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Resolves when nothing is in flight, or when the signal aborts. */
  async idle(signal: AbortSignal): Promise<void> {
    if (this.#inFlight === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        stop();
        signal.removeEventListener('abort', settle);
        resolve();
      };
      const stop = this.watch(() => {
        if (this.#inFlight === 0) settle();
      });
      signal.addEventListener('abort', settle, { once: true });
    });
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
