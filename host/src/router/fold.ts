import type {
  Finish,
  GenerateEvent,
  Head,
  MediaPart,
  TokenLogprob,
  ToolCall,
  Usage,
  VendorEvent,
} from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { CallWarning, Generation, GenerationSink, Served } from './inference.js';

/** One piece of a whole answer, in the order in which the model produced it. */
export type FoldedPart = { signature?: Buffer } & (
  | { readonly kind: 'text' | 'reasoning' | 'refusal'; text: string }
  | { readonly kind: 'toolCall'; readonly call: ToolCall }
  | { readonly kind: 'media'; readonly media: MediaPart }
);

/** One whole candidate. */
export interface FoldedCandidate {
  readonly index: number;
  /** Everything, in order. */
  readonly parts: FoldedPart[];
  /** All text parts joined. */
  text: string;
  /** All reasoning parts joined. */
  reasoning: string;
  /** All refusal parts joined; empty when the model did not decline. */
  refusal: string;
  readonly toolCalls: ToolCall[];
  /** Of the text, when they were asked for. */
  readonly logprobs: TokenLogprob[];
  /** Of the refusal, when they were asked for. */
  readonly refusalLogprobs: TokenLogprob[];
  /** Absent when the plugin never said why this candidate ended. */
  finish: Finish | undefined;
}

/** A whole answer. */
export interface FoldedAnswer {
  readonly served: Served;
  readonly head: Head | undefined;
  /** Sorted by index; at least one. */
  readonly candidates: readonly FoldedCandidate[];
  /** Absent when nothing is known. */
  readonly usage: Usage | undefined;
  readonly warnings: readonly CallWarning[];
  readonly vendorEvents: readonly VendorEvent[];
}

/** Settings of a fold. */
export interface FoldOptions {
  /** Cancels the generation and rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  /** Most characters and media bytes kept; more is an `upstream_error`. Default 64 Mi. */
  readonly maxSize?: number;
  /** Sees the events before they are folded, for callers who report progress. Must not throw. */
  readonly onEvents?: (events: readonly GenerateEvent[]) => void;
}

const defaultMaxSize = 64 * 1024 * 1024;
const maxCandidates = 1024;

/**
 * Reads a generation to its end. Rejects with the GatewayError that ended it: a part of an
 * answer is never returned as if it were whole.
 */
export function foldGeneration(generation: Generation, options: FoldOptions = {}): Promise<FoldedAnswer> {
  return new Promise((resolve, reject) => {
    const fold = new Fold(generation, options, resolve, reject);
    fold.begin();
  });
}

class Fold implements GenerationSink {
  private head: Head | undefined;
  private usage: Usage | undefined;
  private readonly candidates: FoldedCandidate[] = [];
  private readonly warnings: CallWarning[] = [];
  private readonly vendorEvents: VendorEvent[] = [];
  private readonly numbers = new Map<FoldedPart, number>();
  private size = 0;
  private over = false;

  constructor(
    private readonly generation: Generation,
    private readonly options: FoldOptions,
    private readonly resolve: (answer: FoldedAnswer) => void,
    private readonly reject: (error: GatewayError) => void,
  ) {}

  begin(): void {
    const { signal } = this.options;
    if (signal?.aborted === true) return this.leave();
    signal?.addEventListener('abort', this.leave, { once: true });
    this.generation.attach(this);
  }

  events(events: readonly GenerateEvent[]): void {
    if (this.over) return;
    this.options.onEvents?.(events);
    for (const { event } of events) this.take(event);
    if (this.size <= (this.options.maxSize ?? defaultMaxSize)) return;
    this.generation.cancel();
    this.fail(
      new GatewayError('upstream_error', 'the answer is larger than the host keeps; ask for a stream'),
    );
  }

  complete(): void {
    if (!this.end()) return;
    if (this.candidates.length === 0) this.candidate(0);
    this.candidates.sort((a, b) => a.index - b.index);
    const { head, candidates, usage, warnings, vendorEvents } = this;
    this.resolve({ served: this.generation.served, head, candidates, usage, warnings, vendorEvents });
  }

  fail(error: GatewayError): void {
    if (this.end()) this.reject(error);
  }

  private readonly leave = (): void => {
    if (!this.end()) return;
    this.generation.cancel();
    this.reject(new GatewayError('cancelled', 'the caller left before the answer was whole'));
  };

  private end(): boolean {
    if (this.over) return false;
    this.over = true;
    this.options.signal?.removeEventListener('abort', this.leave);
    return true;
  }

  private take(event: GenerateEvent['event']): void {
    switch (event?.$case) {
      case 'head':
        this.head = event.value;
        break;
      case 'delta':
        this.addDelta(event.value);
        break;
      case 'finish':
        this.candidate(event.value.candidate).finish ??= event.value;
        break;
      case 'usage':
        this.usage = event.value;
        break;
      case 'warning':
        if (this.warnings.length < 100) this.warnings.push(event.value);
        break;
      case 'vendor':
        this.size += event.value.data.length + 64;
        this.vendorEvents.push(event.value);
        break;
      default:
    }
  }

  private addDelta(delta: DeltaValue): void {
    const candidate = this.candidate(delta.candidate);
    const { kind } = delta;
    switch (kind?.$case) {
      case 'text':
      case 'reasoning':
      case 'refusal': {
        this.size += kind.value.length + delta.logprobs.length * 64;
        candidate[kind.$case] += kind.value;
        this.textPart(candidate, delta.part, kind.$case).text += kind.value;
        const to = kind.$case === 'refusal' ? candidate.refusalLogprobs : candidate.logprobs;
        if (kind.$case !== 'reasoning') for (const one of delta.logprobs) to.push(one);
        break;
      }
      case 'toolCall': {
        this.size += kind.value.argumentsJson.length + 128;
        // Copied, because fragments are appended and the event belongs to somebody else.
        const call = { ...kind.value };
        candidate.toolCalls.push(call);
        this.addPart(candidate, delta.part, { kind: 'toolCall', call });
        break;
      }
      case 'toolArguments': {
        this.size += kind.value.length;
        const part = this.find(candidate, delta.part, 'toolCall');
        if (part?.kind === 'toolCall') part.call.argumentsJson += kind.value;
        break;
      }
      case 'signature': {
        const part = this.find(candidate, delta.part);
        if (part !== undefined) part.signature = kind.value;
        // A signature without text belongs to reasoning that the vendor keeps to itself.
        else this.addPart(candidate, delta.part, { kind: 'reasoning', text: '', signature: kind.value });
        break;
      }
      case 'media':
        this.size += kind.value.source?.value.length ?? 0;
        this.addPart(candidate, delta.part, { kind: 'media', media: kind.value });
        break;
      default:
    }
  }

  private candidate(index: number): FoldedCandidate {
    const known = this.candidates.find((one) => one.index === index);
    if (known !== undefined) return known;
    if (this.candidates.length >= maxCandidates) this.size = Infinity;
    const made = newCandidate(index);
    this.candidates.push(made);
    return made;
  }

  private textPart(candidate: FoldedCandidate, number: number, kind: 'text' | 'reasoning' | 'refusal') {
    const found = this.find(candidate, number, kind);
    if (found !== undefined && 'text' in found) return found;
    const part = { kind, text: '' };
    this.addPart(candidate, number, part);
    return part;
  }

  private addPart(candidate: FoldedCandidate, number: number, part: FoldedPart): void {
    candidate.parts.push(part);
    this.numbers.set(part, number);
  }

  /** From the end, because nearly every delta belongs to the last part. */
  private find(
    candidate: FoldedCandidate,
    number: number,
    kind?: FoldedPart['kind'],
  ): FoldedPart | undefined {
    return candidate.parts.findLast(
      (part) => this.numbers.get(part) === number && (kind === undefined || part.kind === kind),
    );
  }
}

type DeltaValue = Extract<NonNullable<GenerateEvent['event']>, { $case: 'delta' }>['value'];

function newCandidate(index: number): FoldedCandidate {
  return {
    index,
    parts: [],
    text: '',
    reasoning: '',
    refusal: '',
    toolCalls: [],
    logprobs: [],
    refusalLogprobs: [],
    finish: undefined,
  };
}
