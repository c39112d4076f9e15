import { performance } from 'node:perf_hooks';
import type { GenerateEvent } from '@outrigger/proto';
import type { RequestContext } from '../request-context.js';
import { foldGeneration, type FoldedAnswer } from '../router/fold.js';
import type { CallWarning, Inference, ModelEntry } from '../router/inference.js';
import type {
  Answer,
  InferencePort,
  ModelDetail,
  ModelSummary,
  PluginSummary,
  PortCall,
} from './mcp/index.js';
import { restModel } from './rest/rest-model.js';
import { finishRow } from './shared/finish-reason.js';
import { embedCallFromJson, generateCallFromJson } from './shared/generate-call.js';
import { restUsage } from './shared/usage.js';
import { vectorNumbers } from './shared/vectors.js';

/** What the tools read of the host beside inference. */
export interface McpHostPort {
  plugins(): readonly PluginSummary[];
  usage(): Readonly<Record<string, unknown>>;
}

/** The tools' view of the host: the same calls as at the other doors, in plain JSON. */
export function inferencePort(
  inference: Inference,
  host: McpHostPort,
  strictParams: () => boolean,
): InferencePort {
  return {
    models: async () => (await inference.listModels()).map(summary),
    model: async (id) => detail(await inference.getModel(id)),
    generate: async (input, call, onDelta) => {
      const body = {
        ...input.parameters,
        model: input.model,
        messages: input.messages,
        ...(onDelta ? { stream: true } : {}),
      };
      const context = contextOf(call, strictParams() || input.strictParams);
      const generation = await inference.generate(generateCallFromJson('chat', body), context);
      const answer = await foldGeneration(generation, {
        signal: call.signal,
        ...(onDelta === undefined ? {} : { onEvents: (events) => tell(events, onDelta) }),
      });
      return answerOf(answer);
    },
    embed: async (input, call) => {
      const body = {
        model: input.model,
        input: input.input,
        ...(input.dimensions === undefined ? {} : { dimensions: input.dimensions }),
      };
      const { served, response } = await inference.embed(
        embedCallFromJson(body),
        contextOf(call, strictParams() || input.strictParams),
      );
      return {
        model: served.model,
        plugin: served.plugin,
        embeddings: response.embeddings.map(vectorNumbers),
        usage: usageOf(response.usage),
        warnings: response.warnings.map(sentence),
        ignoredParams: served.ignoredParams,
      };
    },
    countTokens: (input, call) =>
      inference.countTokens(
        generateCallFromJson('chat', { model: input.model, messages: input.messages }),
        contextOf(call, strictParams()),
      ),
    plugins: () => Promise.resolve(host.plugins()),
    usage: () => Promise.resolve(host.usage()),
  };
}

function contextOf(call: PortCall, strictParams: boolean): RequestContext {
  const { requestId, signal, traceparent } = call;
  return { requestId, signal, traceparent, strictParams, door: 'mcp', receivedAt: performance.now() };
}

function tell(events: readonly GenerateEvent[], onDelta: (text: string) => void): void {
  for (const { event } of events) {
    if (event?.$case === 'delta' && event.value.candidate === 0 && event.value.kind?.$case === 'text') {
      onDelta(event.value.kind.value);
    }
  }
}

function answerOf({ served, candidates, usage, warnings }: FoldedAnswer): Answer {
  const [first] = candidates;
  return {
    text: first?.text ?? '',
    ...(first === undefined || first.reasoning === '' ? {} : { reasoning: first.reasoning }),
    toolCalls: (first?.toolCalls ?? []).map((call) => ({
      id: call.id,
      name: call.name,
      arguments: call.argumentsJson,
    })),
    finishReason: finishRow(first?.finish).word,
    usage: usageOf(usage),
    model: served.model,
    plugin: served.plugin,
    warnings: warnings.map(sentence),
    ignoredParams: served.ignoredParams,
  };
}

/** The REST door's usage under the names of this port. */
function usageOf(usage: Parameters<typeof restUsage>[0]): Answer['usage'] {
  const { input_tokens: input, output_tokens: output, ...rest } = restUsage(usage) ?? {};
  return {
    ...(typeof input === 'number' ? { inputTokens: input } : {}),
    ...(typeof output === 'number' ? { outputTokens: output } : {}),
    ...rest,
  };
}

function sentence({ field, message }: CallWarning): string {
  return field === '' ? message : `${field}: ${message}`;
}

function summary(entry: ModelEntry): ModelSummary {
  const { capabilities, context_length, context_length_loaded, state } = detail(entry) as Record<
    string,
    unknown
  >;
  const context = context_length_loaded ?? context_length;
  const { phase } = (state ?? {}) as { phase?: string };
  return {
    id: entry.id,
    names: entry.names,
    plugin: entry.plugin,
    ...(capabilities === undefined ? {} : { capabilities: capabilities as Record<string, unknown> }),
    ...(typeof context === 'number' ? { contextLength: context } : {}),
    ...(phase === undefined ? {} : { state: phase }),
  };
}

function detail(entry: ModelEntry): ModelDetail {
  return { ...restModel(entry), id: entry.id, plugin: entry.plugin };
}
