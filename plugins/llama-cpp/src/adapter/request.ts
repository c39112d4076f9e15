import {
  Reasoning_Effort,
  ToolChoice_Mode,
  UnsupportedPolicy,
  type GenerateRequest,
  type ToolChoice,
} from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import type {
  EngineCapabilities,
  GenerationInput,
  GenerationRequest,
  SamplingOptions,
} from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';
import type { EngineKind } from '../model-settings.js';
import { chatMessages } from './messages.js';
import { passedOn } from './parameters.js';

/** What was asked for and is left out. */
export interface LeftOut {
  readonly field: string;
  readonly message: string;
}

export interface TranslatedRequest {
  readonly request: GenerationRequest;
  readonly leftOut: readonly LeftOut[];
}

const EFFORTS: Readonly<Partial<Record<Reasoning_Effort, string>>> = {
  [Reasoning_Effort.EFFORT_NONE]: 'none',
  [Reasoning_Effort.EFFORT_MINIMAL]: 'minimal',
  [Reasoning_Effort.EFFORT_LOW]: 'low',
  [Reasoning_Effort.EFFORT_MEDIUM]: 'medium',
  [Reasoning_Effort.EFFORT_HIGH]: 'high',
  [Reasoning_Effort.EFFORT_XHIGH]: 'xhigh',
  [Reasoning_Effort.EFFORT_MAX]: 'max',
};

/**
 * A Generate request for an engine. What this engine or model cannot honour is left out and named, or refused when
 * the request says so.
 */
export function translateRequest(
  request: GenerateRequest,
  capabilities: EngineCapabilities,
  engine: EngineKind,
): TranslatedRequest {
  const leftOut: LeftOut[] = [];
  const able = (can: boolean, field: string, message: string): boolean => {
    if (!can) leftOut.push({ field, message });
    return can;
  };
  const sampling = translateSampling(request, capabilities, engine, able);
  const input = translateInput(request, capabilities, able);
  const format = translateFormat(request);
  const reasoning = translateReasoning(request, capabilities, able);
  if (request.suffix !== '') able(false, 'suffix', 'this engine does not fill gaps');
  const extra = extensions(request, engine, able);
  const repeatPenalty = extra['repeat_penalty'];
  if (typeof repeatPenalty === 'number') sampling.repeatPenalty ??= repeatPenalty;
  delete extra['repeat_penalty'];
  if (leftOut.length > 0 && request.context?.unsupported === UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL) {
    throw new PluginError(
      'UNSUPPORTED_PARAMETER',
      `${leftOut[0]?.field ?? ''}: ${leftOut[0]?.message ?? ''}`,
      {
        fields: leftOut.map(({ field, message }) => ({ field, description: message })),
      },
    );
  }
  return {
    leftOut,
    request: {
      input,
      sampling,
      unary: request.unary,
      extra,
      ...(format === undefined ? {} : { format }),
      ...(reasoning === undefined ? {} : { reasoning }),
    },
  };
}

type Able = (can: boolean, field: string, message: string) => boolean;

function translateInput(
  request: GenerateRequest,
  capabilities: EngineCapabilities,
  able: Able,
): GenerationInput {
  if (request.prompt !== undefined) {
    if (request.messages.length > 0) throw bad('prompt', 'set either prompt or messages');
    return { kind: 'completion', prompt: request.prompt };
  }
  if (request.messages.length === 0) throw bad('messages', 'at least one message is needed');
  const offered =
    request.tools.length > 0 &&
    able(capabilities.tools, 'tools', "this model's chat template has no place for tools");
  const choice = offered ? toolChoice(request.toolChoice) : {};
  const allowed = request.toolChoice?.mode === ToolChoice_Mode.MODE_REQUIRED ? request.toolChoice.names : [];
  return {
    kind: 'chat',
    messages: chatMessages(request.messages, capabilities.vision),
    tools: offered
      ? request.tools
          .filter(({ name }) => allowed.length === 0 || allowed.includes(name))
          .map(({ name, description, parametersJson }) => ({ name, description, parameters: parametersJson }))
      : [],
    ...choice,
    ...(request.messages.at(-1)?.prefill === true ? { prefill: true } : {}),
  };
}

function toolChoice(choice: ToolChoice | undefined): Partial<GenerationInput & { kind: 'chat' }> {
  if (choice === undefined) return {};
  const parallel = choice.parallel === undefined ? {} : { parallelToolCalls: choice.parallel };
  switch (choice.mode) {
    case ToolChoice_Mode.MODE_NONE:
      return { ...parallel, toolChoice: 'none' };
    case ToolChoice_Mode.MODE_REQUIRED:
      return { ...parallel, toolChoice: 'required' };
    case ToolChoice_Mode.MODE_TOOL: {
      const name = choice.names[0];
      if (name === undefined) throw bad('tool_choice', 'the name of the tool is missing');
      return { ...parallel, toolChoice: { name } };
    }
    default:
      return parallel;
  }
}

function translateSampling(
  { sampling: s }: GenerateRequest,
  capabilities: EngineCapabilities,
  engine: EngineKind,
  able: Able,
): SamplingOptions {
  if (s === undefined) return {};
  const here = engine === 'llama-server' ? 'this model' : 'the embedded engine';
  const several =
    (s.candidates ?? 1) > 1 && able(capabilities.candidates, 'n', `${here} gives one answer at a time`);
  const logprobs =
    s.topLogprobs !== undefined && able(capabilities.logprobs, 'logprobs', `${here} returns none`);
  const typical =
    s.typicalP !== undefined && able(engine === 'llama-server', 'typical_p', `${here} does not know it`);
  return {
    ...optional('temperature', s.temperature),
    ...optional('topP', s.topP),
    // -1 is how some callers say "all tokens", which the engines call 0.
    ...optional('topK', s.topK === undefined ? undefined : Math.max(0, s.topK)),
    ...optional('minP', s.minP),
    ...optional('typicalP', typical ? s.typicalP : undefined),
    ...optional('frequencyPenalty', s.frequencyPenalty),
    ...optional('presencePenalty', s.presencePenalty),
    ...optional('repeatPenalty', s.repetitionPenalty),
    ...optional('seed', s.seed),
    ...optional('maxTokens', s.maxOutputTokens),
    ...optional('candidates', several ? s.candidates : undefined),
    ...optional('topLogprobs', logprobs ? s.topLogprobs : undefined),
    ...(s.stop.length === 0 ? {} : { stop: s.stop }),
    ...optional('logitBias', logitBias(s.logitBias)),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

function logitBias(given: Readonly<Record<string, number>>): ReadonlyMap<number, number> | undefined {
  const entries = Object.entries(given);
  if (entries.length === 0) return undefined;
  return new Map(
    entries.map(([token, bias]) => {
      if (!/^\d{1,9}$/.test(token)) throw bad('logit_bias', `${JSON.stringify(token)} is not a token id`);
      return [Number(token), bias];
    }),
  );
}

function translateFormat({ outputFormat }: GenerateRequest): GenerationRequest['format'] {
  const kind = outputFormat?.kind;
  if (kind?.$case === 'json') return { kind: 'json' };
  if (kind?.$case === 'jsonSchema') return { kind: 'json-schema', schema: kind.value.schemaJson };
  return undefined;
}

function translateReasoning(
  { reasoning }: GenerateRequest,
  capabilities: EngineCapabilities,
  able: Able,
): GenerationRequest['reasoning'] {
  if (reasoning === undefined) return undefined;
  const effort = EFFORTS[reasoning.effort];
  // Not to reason is what a model without reasoning does anyway.
  if (
    !capabilities.reasoning &&
    (effort === 'none' || effort === undefined) &&
    reasoning.budgetTokens === undefined
  )
    return undefined;
  if (!able(capabilities.reasoning, 'reasoning_effort', 'this model does not reason')) return undefined;
  return { ...optional('effort', effort), ...optional('budgetTokens', reasoning.budgetTokens) };
}

function extensions(request: GenerateRequest, engine: EngineKind, able: Able): Record<string, unknown> {
  const known = passedOn(engine);
  const extra: Record<string, unknown> = {};
  for (const [name, json] of Object.entries(request.extensions)) {
    if (!able(known.has(name), name, 'this plugin does not know it')) continue;
    try {
      extra[name] = JSON.parse(json);
    } catch {
      throw bad(name, 'not valid JSON');
    }
  }
  return extra;
}

function bad(param: string, message: string): EngineError {
  return new EngineError('invalid_request', `${param}: ${message}`, { param });
}
