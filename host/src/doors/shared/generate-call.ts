import { Reasoning_Effort, type GenerateRequest, type Sampling } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import type { EmbedCall, GenerateCall } from '../../router/inference.js';
import { toMessages } from './messages.js';
import { collectParameters } from './parameters.js';
import {
  chatSchema,
  completionSchema,
  embeddingSchemaFor,
  type ChatInput,
  type CompletionInput,
  type EmbeddingInput,
} from './requests.js';
import { applyTools } from './tools.js';
import { validate } from './validation.js';

/** What is asked for: an answer to messages, or the continuation of a prompt. */
export type GenerateKind = 'chat' | 'completion';

/**
 * The one mapping from JSON to a call, used by every door: the body of a chat or completion
 * request as OpenAI shapes it, plus parameters of plugins. Throws invalid_request or
 * unsupported_parameter with `param`.
 */
export function generateCallFromJson(kind: GenerateKind, body: unknown): GenerateCall {
  return kind === 'chat' ? chatCall(parseChat(body)) : completionCall(parseCompletion(body));
}

/** As generateCallFromJson, for embeddings. */
export function embedCallFromJson(body: unknown): EmbedCall {
  return embedCall(parseEmbedding(body));
}

/** Checks the body of a chat request. */
export function parseChat(body: unknown): ChatInput {
  refuseLegacy(body);
  return validate(chatSchema, body);
}

/** Checks the body of a completion request. */
export function parseCompletion(body: unknown): CompletionInput {
  return validate(completionSchema, body);
}

/** Checks the body of a request to embed. */
export function parseEmbedding(body: unknown): EmbeddingInput {
  return validate(embeddingSchemaFor(body), body);
}

/** A checked chat request as a call. */
export function chatCall(input: ChatInput): GenerateCall {
  const request = emptyRequest(input);
  request.messages = toMessages(input.messages);
  applySampling(input, request);
  applyTools(input, request);
  applyFormat(input, request);
  if (input.reasoning_effort) {
    request.reasoning = { effort: efforts[input.reasoning_effort], budgetTokens: undefined };
  }
  return { model: input.model ?? '', request, parameters: collectParameters(input) };
}

/** A checked completion request as a call. */
export function completionCall(input: CompletionInput): GenerateCall {
  const request = emptyRequest(input);
  request.prompt = onePrompt(input.prompt);
  request.suffix = input.suffix ?? '';
  applySampling(input, request);
  return { model: input.model ?? '', request, parameters: collectParameters(input) };
}

/** A checked request to embed as a call. */
export function embedCall(input: EmbeddingInput): EmbedCall {
  return {
    model: input.model ?? '',
    request: {
      context: undefined,
      model: '',
      inputs: toInputs(input.input),
      dimensions: input.dimensions ?? undefined,
      truncate: input.truncate ?? undefined,
      extensions: {},
    },
    parameters: collectParameters(input),
  };
}

function emptyRequest(input: ChatInput | CompletionInput): GenerateRequest {
  return {
    context: undefined,
    model: '',
    messages: [],
    prompt: undefined,
    suffix: '',
    tools: [],
    toolChoice: undefined,
    sampling: undefined,
    outputFormat: undefined,
    reasoning: undefined,
    unary: input.stream !== true,
    endUser: input.user ?? '',
    extensions: {},
  };
}

function applySampling(input: ChatInput | CompletionInput, request: GenerateRequest): void {
  const sampling: Sampling = {
    temperature: input.temperature ?? undefined,
    topP: input.top_p ?? undefined,
    topK: input.top_k ?? undefined,
    minP: input.min_p ?? undefined,
    typicalP: input.typical_p ?? undefined,
    frequencyPenalty: input.frequency_penalty ?? undefined,
    presencePenalty: input.presence_penalty ?? undefined,
    repetitionPenalty: input.repetition_penalty ?? undefined,
    seed: input.seed === null || input.seed === undefined ? undefined : BigInt(input.seed),
    stop: typeof input.stop === 'string' ? [input.stop] : (input.stop ?? []).filter((one) => one !== ''),
    maxOutputTokens: maxTokens(input),
    candidates: input.n ?? undefined,
    logitBias: input.logit_bias ?? {},
    topLogprobs: topLogprobs(input),
  };
  request.sampling = sampling;
}

function maxTokens(input: ChatInput | CompletionInput): number | undefined {
  const older = input.max_tokens ?? undefined;
  const newer = 'max_completion_tokens' in input ? (input as ChatInput).max_completion_tokens : undefined;
  if (typeof newer === 'number' && older !== undefined && newer !== older) {
    throw new GatewayError(
      'invalid_request',
      '`max_tokens` and `max_completion_tokens` mean the same and differ; send one of them',
      { param: 'max_tokens' },
    );
  }
  return newer ?? older;
}

function topLogprobs(input: ChatInput | CompletionInput): number | undefined {
  if (typeof input.logprobs === 'number') return input.logprobs;
  const alternatives = (input as ChatInput).top_logprobs ?? undefined;
  if (input.logprobs === true) return alternatives ?? 0;
  if (alternatives !== undefined && alternatives > 0) {
    throw new GatewayError('invalid_request', '`top_logprobs` needs `logprobs: true`', {
      param: 'top_logprobs',
    });
  }
  return undefined;
}

function applyFormat(input: ChatInput, request: GenerateRequest): void {
  const format = input.response_format ?? undefined;
  if (format?.type === 'json_object') request.outputFormat = { kind: { $case: 'json', value: {} } };
  if (format?.type !== 'json_schema') return;
  const { name, schema, strict } = format.json_schema;
  const value = { name, schemaJson: JSON.stringify(schema), strict: strict ?? undefined };
  request.outputFormat = { kind: { $case: 'jsonSchema', value } };
}

const efforts = {
  none: Reasoning_Effort.EFFORT_NONE,
  minimal: Reasoning_Effort.EFFORT_MINIMAL,
  low: Reasoning_Effort.EFFORT_LOW,
  medium: Reasoning_Effort.EFFORT_MEDIUM,
  high: Reasoning_Effort.EFFORT_HIGH,
  xhigh: Reasoning_Effort.EFFORT_XHIGH,
  max: Reasoning_Effort.EFFORT_MAX,
} as const;

function onePrompt(prompt: CompletionInput['prompt']): string {
  if (typeof prompt === 'string') return prompt;
  const [only] = prompt;
  if (prompt.length === 1 && typeof only === 'string') return only;
  throw new GatewayError(
    'invalid_request',
    '`prompt` must be one text; send a request for each of several prompts, and text instead of token ids',
    { param: 'prompt' },
  );
}

function toInputs(input: EmbeddingInput['input']): EmbedCall['request']['inputs'] {
  if (typeof input === 'string') return [{ kind: { $case: 'text', value: input } }];
  if (typeof input[0] === 'number') return [{ kind: { $case: 'tokens', value: { ids: input as number[] } } }];
  return (input as (string | number[])[]).map((one) =>
    typeof one === 'string'
      ? { kind: { $case: 'text', value: one } }
      : { kind: { $case: 'tokens', value: { ids: one } } },
  );
}

/** The shape before `tools`: refused with the remedy instead of being passed on as an unknown parameter. */
function refuseLegacy(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  for (const [name, remedy] of legacy) {
    const value = (body as Record<string, unknown>)[name];
    if (value === undefined || value === null) continue;
    throw new GatewayError('unsupported_parameter', `\`${name}\` is the old form; ${remedy}`, {
      param: name,
    });
  }
}

const legacy = [
  ['functions', 'send each function as {"type":"function","function":{…}} in `tools`'],
  ['function_call', 'send `tool_choice` instead'],
] as const;
