import { grpcCode } from '@outrigger/proto';
import type { ModelPlace } from '../catalog/description.js';
import { ServerError, type Wait } from '../server/connection.js';
import type { InferenceAnswer, InferenceRequest } from '../server/endpoint.js';

/** How long a stream may be silent once its model's process is known to have died, in milliseconds. */
const graceMs = 2_000;
const tickMs = 250;

interface Watched {
  readonly place: ModelPlace;
  readonly probe: () => Promise<void>;
  readonly cut: AbortController;
  /** When the stream last said something; undefined while its reader is busy with it. */
  since: number | undefined;
  probedAt: number;
  suspectSince: number | undefined;
}

/**
 * Watches streams that Triton forgets: when the process of a model dies, answers
 * that it was streaming neither end nor fail. A stream that is silent for long
 * makes us ask the model for one token; that fails if its process is gone, and
 * then the silent streams of that model are ended.
 */
export class Vigil {
  readonly #silenceMs: number;
  readonly #streams = new Set<Watched>();
  readonly #probing = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** @param silenceMs how long a stream may be silent before its model is probed; 0 never probes. */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  /** The answers of a request, under watch. `probe` asks the model for something small; its errors are of no interest here. */
  async *stream(
    place: ModelPlace,
    request: InferenceRequest,
    probe: () => Promise<void>,
    wait: Wait,
  ): AsyncGenerator<readonly InferenceAnswer[], void, undefined> {
    const cut = new AbortController();
    const watched: Watched = { place, probe, cut, since: Date.now(), probedAt: 0, suspectSince: undefined };
    this.#streams.add(watched);
    this.#timer ??= setInterval(() => this.#look(), tickMs).unref();
    try {
      const signal = AbortSignal.any([wait.signal, cut.signal]);
      for await (const answers of place.endpoint.inferStream(request, { ...wait, signal })) {
        watched.since = undefined;
        watched.suspectSince = undefined;
        yield answers;
        watched.since = Date.now();
      }
    } catch (error) {
      throw cut.signal.aborted ? new ServerError(grpcCode.INTERNAL, 'Stub process is not healthy') : error;
    } finally {
      this.#streams.delete(watched);
      if (this.#streams.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  /** The process of a model has died: its streams end unless they go on to speak (it may have several processes). */
  crashed(id: string): void {
    const now = Date.now();
    for (const watched of this.#streams) {
      if (watched.place.id === id) watched.suspectSince ??= now;
    }
  }

  #look(): void {
    const now = Date.now();
    for (const watched of this.#streams) {
      if (watched.since === undefined) continue;
      if (watched.suspectSince !== undefined && now - watched.suspectSince >= graceMs) watched.cut.abort();
      else if (this.#silenceMs > 0 && now - Math.max(watched.since, watched.probedAt) >= this.#silenceMs)
        this.#probe(watched, now);
    }
  }

  #probe(watched: Watched, now: number): void {
    const { id } = watched.place;
    if (this.#probing.has(id)) return;
    watched.probedAt = now;
    this.#probing.add(id);
    void watched
      .probe()
      .catch(() => undefined)
      .finally(() => this.#probing.delete(id));
  }
}
