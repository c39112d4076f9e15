import type { LoadModelRequest, LoadModelResponse } from '@outrigger/proto';
import { ModelState_Phase } from '@outrigger/proto';
import type { PluginInstance } from './instance.js';
import type { CallContext } from './plugin.js';
import { PluginError } from './plugin-error.js';
import { signalContext } from './signal-context.js';

/** One load that any number of callers watch. It goes on when they leave. */
class Load {
  readonly #controller = new AbortController();
  readonly #watchers = new Set<() => void>();
  #latest: LoadModelResponse | undefined;
  #version = 0;
  #outcome: { error?: unknown } | undefined;
  readonly done: Promise<void>;

  constructor(run: (signal: AbortSignal) => AsyncIterable<LoadModelResponse>) {
    this.done = this.#drive(run);
  }

  async #drive(run: (signal: AbortSignal) => AsyncIterable<LoadModelResponse>): Promise<void> {
    try {
      for await (const progress of run(this.#controller.signal)) {
        this.#latest = progress;
        this.#version += 1;
        this.#notify();
        if (this.#controller.signal.aborted) break;
      }
      if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
      if (this.#latest?.state?.phase !== ModelState_Phase.PHASE_READY) {
        throw new Error('loadModel ended without saying that the model is ready');
      }
      this.#outcome = {};
    } catch (error) {
      this.#outcome = { error: this.#controller.signal.aborted ? this.#controller.signal.reason : error };
    }
    this.#notify();
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Ends the load with this error. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Progress until the load has ended; a slow reader sees the latest and not every step. */
  async *follow(signal: AbortSignal): AsyncGenerator<LoadModelResponse> {
    let wake: (() => void) | undefined;
    const notice = (): void => wake?.();
    this.#watchers.add(notice);
    signal.addEventListener('abort', notice, { once: true });
    try {
      let seen = 0;
      while (!signal.aborted) {
        if (this.#version !== seen && this.#latest !== undefined) {
          seen = this.#version;
          yield this.#latest;
          continue;
        }
        if (this.#outcome !== undefined) {
          if ('error' in this.#outcome) throw this.#outcome.error;
          return;
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(notice);
      signal.removeEventListener('abort', notice);
    }
  }
}

/** The loads under way, by model. */
export class SharedLoads {
  readonly #loads = new Map<string, Load>();
  readonly #instance: PluginInstance;

  constructor(instance: PluginInstance) {
    this.#instance = instance;
  }

  /** Begins a load or joins the one under way. */
  follow(request: LoadModelRequest, context: CallContext): AsyncIterable<LoadModelResponse> {
    let load = this.#loads.get(request.model);
    if (load === undefined) {
      const { definition, log } = this.#instance;
      load = new Load((signal) => {
        if (!definition.loadModel) throw new Error('no loadModel');
        const { requestId } = context;
        return definition.loadModel(request, signalContext(signal, { deadline: undefined, requestId, log }));
      });
      const begun = load;
      this.#loads.set(request.model, begun);
      void begun.done.then(() => {
        if (this.#loads.get(request.model) === begun) this.#loads.delete(request.model);
      });
    }
    return load.follow(context.signal);
  }

  /** Ends the load of a model, if there is one, and waits until it has ended. */
  async end(model: string): Promise<void> {
    const load = this.#loads.get(model);
    load?.abort(new PluginError('CONFLICT', 'the model was unloaded while it was being loaded'));
    await load?.done;
  }

  /** Ends all loads. */
  cut(reason: Error): void {
    for (const load of this.#loads.values()) load.abort(reason);
  }
}
