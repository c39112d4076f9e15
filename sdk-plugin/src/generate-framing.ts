import type { GenerateEvent, GenerateResponse } from '@outrigger/proto';
import { head } from './events.js';
import type { Framing } from './pump.js';

/** Most events and about the most bytes in one frame. */
const mostEvents = 256;
const mostBytes = 512 * 1024;

/** What a handler may yield. */
export type GenerateItem = GenerateEvent | readonly GenerateEvent[];

type Kind = NonNullable<GenerateEvent['event']>['$case'];

/** About how much an event weighs; only large ones matter. */
function weight(event: GenerateEvent): number {
  const kind = event.event;
  if (kind?.$case === 'vendor') return kind.value.data.length;
  if (kind?.$case !== 'delta') return 0;
  const delta = kind.value.kind;
  if (delta === undefined) return 0;
  if (delta.$case === 'media') {
    return delta.value.source?.$case === 'data' ? delta.value.source.value.length : 0;
  }
  return delta.$case === 'toolCall' ? delta.value.argumentsJson.length : delta.value.length;
}

/** The grammar of a Generate stream, kept while the events pass. */
class Grammar {
  #begun = false;
  readonly #spoken = new Set<number>();
  readonly #finished = new Set<number>();

  /** Checks that an event may come here; says whether a head must be put before it. */
  take(kind: NonNullable<GenerateEvent['event']>): { needsHead: boolean } {
    this.#check(kind);
    // While a model is loaded there is progress to tell and no answer yet.
    if (kind.$case === 'progress' || kind.$case === 'warning') return { needsHead: false };
    const needsHead = !this.#begun && kind.$case !== 'head';
    this.#begun = true;
    return { needsHead };
  }

  finish(): void {
    if (this.#finished.size === 0) throw new Error('generate returned without yielding a finish');
    for (const candidate of this.#spoken) {
      if (!this.#finished.has(candidate)) {
        throw new Error(`generate returned without yielding a finish for candidate ${candidate}`);
      }
    }
  }

  #check(kind: NonNullable<GenerateEvent['event']>): void {
    switch (kind.$case) {
      case 'head':
        if (this.#begun) throw new Error('generate yielded a head after the answer had begun');
        return;
      case 'end':
        throw new Error('generate yielded an end; the SDK adds it when generate returns');
      case 'delta':
        this.#refuseAfterFinish(kind.$case, kind.value.candidate);
        this.#spoken.add(kind.value.candidate);
        return;
      case 'finish':
        this.#refuseAfterFinish(kind.$case, kind.value.candidate);
        this.#finished.add(kind.value.candidate);
        return;
      case 'progress':
      case 'vendor':
        if (
          this.#finished.size > 0 &&
          [...this.#spoken].every((candidate) => this.#finished.has(candidate))
        ) {
          throw new Error(
            `generate yielded ${kind.$case} after the finish; only usage and warning may follow`,
          );
        }
        return;
      case 'usage':
      case 'warning':
        return;
    }
  }

  #refuseAfterFinish(kind: Kind, candidate: number): void {
    if (this.#finished.has(candidate)) {
      throw new Error(`generate yielded a ${kind} of candidate ${candidate} after its finish`);
    }
  }
}

/**
 * Frames of a Generate stream: numbered, head first, end last, and in one frame
 * whatever was ready at one moment.
 */
export function generateFraming(encode: (frame: GenerateResponse) => Buffer): Framing<GenerateItem> {
  const grammar = new Grammar();
  let seq = 0;
  let bytes = 0;
  let events: GenerateEvent[] = [];
  const frames: GenerateEvent[][] = [];

  const close = (): void => {
    if (events.length > 0) frames.push(events);
    events = [];
    bytes = 0;
  };
  const push = (event: GenerateEvent): void => {
    const size = weight(event);
    if (events.length >= mostEvents || (events.length > 0 && bytes + size > mostBytes)) close();
    events.push(event);
    bytes += size;
  };
  const add = (event: GenerateEvent): void => {
    // An event of no kind would say nothing; hosts ignore it as they ignore unknown kinds.
    if (event.event === undefined) return;
    if (grammar.take(event.event).needsHead) push(head({}));
    push(event);
  };

  return {
    add: (item) => {
      if (Array.isArray(item)) for (const event of item as readonly GenerateEvent[]) add(event);
      else add(item as GenerateEvent);
    },
    take: () => {
      let frame = frames.shift();
      if (frame === undefined) {
        if (events.length === 0) return undefined;
        frame = events;
        events = [];
        bytes = 0;
      }
      const encoded = encode({ seq, events: frame });
      seq += 1;
      return encoded;
    },
    get full() {
      return frames.length > 0 || events.length >= mostEvents;
    },
    finish: () => {
      grammar.finish();
      push({ event: { $case: 'end', value: {} } });
    },
  };
}
