import {
  FinishReason,
  type Delta,
  type GenerateEvent,
  type Model,
  type TokenLogprob,
} from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import type { RequestContext } from '../../request-context.js';
import type {
  EmbedCall,
  GenerateCall,
  Generation,
  GenerationSink,
  Inference,
  ModelEntry,
  Served,
} from '../../router/inference.js';

/** What a scripted generation does, step by step; each list of events is one moment. */
export type Step = readonly GenerateEvent[] | GatewayError;

/** A generation that a test drives by hand, or that plays its script as soon as it is attached. */
export class ScriptedGeneration implements Generation {
  paused = false;
  cancelled = false;
  pauses = 0;
  resumes = 0;
  private sink: GenerationSink | undefined;

  constructor(
    readonly served: Served,
    private readonly script: readonly Step[] | undefined,
  ) {}

  get attached(): boolean {
    return this.sink !== undefined;
  }

  attach(sink: GenerationSink): void {
    if (this.sink !== undefined) throw new Error('attached twice');
    this.sink = sink;
    if (this.script === undefined) return;
    for (const step of this.script) {
      if (step instanceof GatewayError) return sink.fail(step);
      sink.events(step);
    }
    sink.complete();
  }

  pause(): void {
    this.paused = true;
    this.pauses += 1;
  }

  resume(): void {
    this.paused = false;
    this.resumes += 1;
  }

  cancel(): void {
    this.cancelled = true;
  }

  push(...events: GenerateEvent[]): void {
    if (!this.cancelled) this.sink?.events(events);
  }

  complete(): void {
    if (!this.cancelled) this.sink?.complete();
  }

  fail(error: GatewayError): void {
    if (!this.cancelled) this.sink?.fail(error);
  }
}

/** An Inference without any plugin behind it, for tests and for measuring the doors alone. */
export class ScriptedInference implements Inference {
  readonly calls: { call: GenerateCall; context: RequestContext }[] = [];
  readonly embedCalls: { call: EmbedCall; context: RequestContext }[] = [];
  readonly generations: ScriptedGeneration[] = [];
  /** Remember calls; off when measuring. */
  keep = true;
  ignoredParams: readonly string[] = [];
  entries: readonly ModelEntry[] = [modelEntry('demo', 'org/model:q4')];
  /** The script of the next generations; undefined is driven by hand. */
  script: readonly Step[] | undefined = [answer('Hello', ' world')];
  /** Rejects instead of generating. */
  refusal: GatewayError | undefined;
  /** Holds generate() back until it settles. */
  gate: Promise<void> | undefined;
  vectors: readonly (readonly number[])[] | undefined;

  async generate(call: GenerateCall, context: RequestContext): Promise<Generation> {
    if (this.keep) this.calls.push({ call, context });
    if (this.gate !== undefined) await this.gate;
    if (this.refusal !== undefined) throw this.refusal;
    const generation = new ScriptedGeneration(this.served(), this.script);
    if (this.keep) this.generations.push(generation);
    return generation;
  }

  embed(call: EmbedCall, context: RequestContext) {
    if (this.keep) this.embedCalls.push({ call, context });
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    const vectors = this.vectors ?? call.request.inputs.map((_input, at) => [at, 0.5, -1]);
    return Promise.resolve({
      served: this.served(),
      response: {
        embeddings: vectors.map((one) => ({ data: floats(one), truncated: false })),
        model: 'model',
        usage: { inputTokens: 7, estimated: false, partial: false },
        warnings: [],
      },
    });
  }

  countTokens() {
    return Promise.resolve({ inputTokens: 3, estimated: false });
  }

  listModels() {
    return Promise.resolve(this.entries);
  }

  getModel(name: string): Promise<ModelEntry> {
    const found = this.entries.find((entry) => entry.id === name || entry.names.includes(name));
    return found === undefined
      ? Promise.reject(new GatewayError('model_not_found', `no model ${name}`, { param: 'model' }))
      : Promise.resolve(found);
  }

  async *loadModel() {
    await Promise.resolve();
    yield { state: { phase: 2, reason: '' }, fraction: 0.5 };
    yield { state: { phase: 3, reason: '' }, fraction: 1 };
  }

  unloadModel(): Promise<void> {
    return Promise.resolve();
  }

  async *pullModel(source: string) {
    await Promise.resolve();
    yield { status: 'fetching', totalBytes: 10n, completedBytes: 5n, model: '' };
    if (source === 'broken') throw new GatewayError('upstream_unavailable', 'the hub is away');
    yield { status: 'done', totalBytes: 10n, completedBytes: 10n, model: 'new' };
  }

  deleteModel(): Promise<void> {
    return Promise.resolve();
  }

  private served(): Served {
    return {
      model: 'demo/org/model:q4',
      plugin: 'demo',
      pluginVersion: '1.2.3',
      instanceId: 'i1',
      ignoredParams: this.ignoredParams,
    };
  }
}

/** A model that a test can list. */
export function modelEntry(plugin: string, id: string): ModelEntry {
  const model: Model = {
    id,
    displayName: '',
    owner: '',
    aliases: [],
    digest: '',
    created: new Date(1_700_000_000_000),
    capabilities: undefined,
    weights: undefined,
    state: undefined,
    preferred: false,
    extensions: {},
  };
  return { id: `${plugin}/${id}`, names: [id], plugin, pluginVersion: '1.2.3', model };
}

/** The beginning of an answer. */
export const head: GenerateEvent = {
  event: {
    $case: 'head',
    value: { responseId: 'r', model: 'model', vendorRequestId: '', systemFingerprint: 'fp' },
  },
};

/** A piece of an answer. */
export function delta(
  kind: NonNullable<Delta['kind']>,
  { candidate = 0, part = 0, logprobs = [] as TokenLogprob[] } = {},
): GenerateEvent {
  return { event: { $case: 'delta', value: { candidate, part, kind, logprobs } } };
}

/** A piece of text. */
export const text = (value: string, place: { candidate?: number; part?: number } = {}): GenerateEvent =>
  delta({ $case: 'text', value }, place);

/** The end of a candidate. */
export function finish(reason = FinishReason.FINISH_REASON_STOP, candidate = 0, raw = 'stop'): GenerateEvent {
  return { event: { $case: 'finish', value: { candidate, reason, raw, detail: '' } } };
}

/** Tokens spent. */
export function usage(inputTokens: number, outputTokens: number): GenerateEvent {
  return {
    event: { $case: 'usage', value: { inputTokens, outputTokens, estimated: false, partial: false } },
  };
}

/** A whole plain answer in one moment. */
export function answer(...texts: string[]): GenerateEvent[] {
  return [head, ...texts.map((one) => text(one)), finish(), usage(5, texts.length)];
}

function floats(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  numbers.forEach((one, at) => bytes.writeFloatLE(one, at * 4));
  return bytes;
}
