import {
  EmbedRequest,
  GenerateRequest,
  GetMetricsResponse,
  LoadModelRequest,
  ModelState_Phase,
  Role,
  type EmbedResponse,
  type Finish,
  type GenerateEvent,
  type Model,
  type Usage,
  type Warning,
} from '@outrigger/proto';
import type { CallContext, Log, PluginDefinition } from '@outrigger/sdk-plugin';
import { configSchema, type TritonConfig } from '../../src/config.js';
import type { InferResponse, DescribeResponse } from '../../src/gen/outrigger/triton/v1/tensors.js';
import { tritonPlugin } from '../../src/plugin.js';

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** What a handler is given; the signal ends with the test's patience. */
export function contextOf(signal: AbortSignal = AbortSignal.timeout(20_000)): CallContext {
  const onAbort: CallContext['onAbort'] = (listener) => {
    signal.addEventListener('abort', () => listener(signal.reason as Error), { once: true });
  };
  return { signal, onAbort, requestId: 'test', deadline: undefined, log: silent };
}

/** All that came of a generation. */
export interface Generated {
  readonly text: string;
  readonly pieces: number;
  readonly finish: Finish | undefined;
  readonly usage: Usage | undefined;
  readonly warnings: readonly Warning[];
}

/** A message of which only what matters is given. */
type Loose<T> = T extends Buffer | bigint | number | string | boolean | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Loose<Item>[]
    : { readonly [Key in keyof T]?: Loose<T[Key]> };

type Ask = Loose<GenerateRequest>;

/** Folds events; the caller may look at each piece as it comes. */
export async function fold(
  events: AsyncIterable<GenerateEvent | readonly GenerateEvent[]>,
  onText: (piece: string, so_far: string) => void = () => undefined,
): Promise<Generated> {
  let text = '';
  let pieces = 0;
  let finish: Finish | undefined;
  let usage: Usage | undefined;
  const warnings: Warning[] = [];
  for await (const item of events) {
    for (const { event } of Array.isArray(item)
      ? (item as readonly GenerateEvent[])
      : [item as GenerateEvent]) {
      if (event?.$case === 'delta' && event.value.kind?.$case === 'text') {
        text += event.value.kind.value;
        pieces += 1;
        onText(event.value.kind.value, text);
      }
      if (event?.$case === 'finish') finish = event.value;
      if (event?.$case === 'usage') usage = event.value;
      if (event?.$case === 'warning') warnings.push(event.value);
    }
  }
  return { text, pieces, finish, usage, warnings };
}

/** The plugin as the SDK would use it, without the wire. */
export class Plugged {
  readonly definition: PluginDefinition<TritonConfig> = tritonPlugin();

  static async to(config: unknown): Promise<Plugged> {
    const plugged = new Plugged();
    await plugged.configure(config);
    return plugged;
  }

  async configure(config: unknown): Promise<readonly string[]> {
    return (await this.definition.configure?.(configSchema.parse(config), contextOf())) ?? [];
  }

  start(ask: Ask, signal?: AbortSignal): AsyncIterable<GenerateEvent | readonly GenerateEvent[]> {
    if (this.definition.generate === undefined) throw new Error('no generate');
    return this.definition.generate(GenerateRequest.fromPartial(ask as GenerateRequest), contextOf(signal));
  }

  /** Chat with one user message. */
  chat(model: string, content: string, more: Ask = {}, signal?: AbortSignal): Promise<Generated> {
    const parts = [{ kind: { $case: 'text' as const, value: { text: content } } }];
    return fold(this.start({ model, messages: [{ role: Role.ROLE_USER, parts }], ...more }, signal));
  }

  complete(model: string, prompt: string, more: Ask = {}, signal?: AbortSignal): Promise<Generated> {
    return fold(this.start({ model, prompt, ...more }, signal));
  }

  /** What the test model has counted, and the request that asked. */
  async report(model: string): Promise<{
    started: number;
    cancelled: number;
    finished: number;
    live: number;
    prompt: string;
    sampling: Record<string, unknown>;
  }> {
    const extensions = { sampling_parameters: '{"report":true}' };
    return JSON.parse((await this.complete(model, 'x', { extensions })).text) as never;
  }

  async embed(
    model: string,
    texts: readonly string[],
    more: Loose<EmbedRequest> = {},
  ): Promise<EmbedResponse> {
    if (this.definition.embed === undefined) throw new Error('no embed');
    const inputs = texts.map((text) => ({ kind: { $case: 'text' as const, value: text } }));
    return this.definition.embed(
      EmbedRequest.fromPartial({ model, inputs, ...more } as EmbedRequest),
      contextOf(),
    );
  }

  async models(): Promise<Map<string, Model>> {
    const models = (await this.definition.listModels?.(contextOf())) ?? [];
    return new Map(models.map((model) => [model.id, model]));
  }

  /** The phases that a load goes through. */
  async load(model: string, options: Record<string, string> = {}): Promise<ModelState_Phase[]> {
    const phases: ModelState_Phase[] = [];
    const steps =
      this.definition.loadModel?.(LoadModelRequest.fromPartial({ model, options }), contextOf()) ?? [];
    for await (const { state } of steps) phases.push(state?.phase ?? ModelState_Phase.PHASE_UNSPECIFIED);
    return phases;
  }

  async unload(model: string): Promise<void> {
    await this.definition.unloadModel?.(model, contextOf());
  }

  async metrics(): Promise<GetMetricsResponse> {
    return (await this.definition.metrics?.(contextOf())) ?? GetMetricsResponse.create();
  }

  infer(request: unknown): Promise<InferResponse> {
    return this.definition.services?.[0]?.handlers['infer']?.(
      request as never,
      contextOf(),
    ) as Promise<InferResponse>;
  }

  describe(model: string): Promise<DescribeResponse> {
    return this.definition.services?.[0]?.handlers['describe']?.(
      { model } as never,
      contextOf(),
    ) as Promise<DescribeResponse>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.definition.stop?.(contextOf());
  }
}

/** The vectors of an answer. */
export function vectorsOf(response: EmbedResponse): number[][] {
  return response.embeddings.map(({ data }) =>
    Array.from(
      { length: data.length / 4 },
      (_, index) => Math.round(data.readFloatLE(index * 4) * 1000) / 1000,
    ),
  );
}
