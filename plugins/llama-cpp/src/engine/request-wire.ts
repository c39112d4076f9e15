import type { ChatMessage, ChatTool, GenerationInput, GenerationRequest } from './engine.js';
import { EngineError } from './errors.js';
import { RawJson, stringifyWithRaw } from './raw-json.js';

/** Requests in llama-server's words. */

function message(item: ChatMessage): Record<string, unknown> {
  return {
    role: item.role,
    content: item.content,
    ...(item.reasoning === undefined ? {} : { reasoning_content: item.reasoning }),
    ...(item.toolCallId === undefined ? {} : { tool_call_id: item.toolCallId }),
    ...(item.name === undefined ? {} : { name: item.name }),
    ...(item.toolCalls === undefined || item.toolCalls.length === 0
      ? {}
      : {
          tool_calls: item.toolCalls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: call.arguments },
          })),
        }),
  };
}

function tool(item: ChatTool): Record<string, unknown> {
  return {
    type: 'function',
    function: {
      name: item.name,
      description: item.description,
      parameters: new RawJson(
        jsonText(item.parameters === '' ? '{"type":"object"}' : item.parameters, 'tools'),
      ),
    },
  };
}

/** Checks that a text is JSON before it becomes part of a body. */
export function jsonText(text: string, param: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new EngineError('invalid_request', `${param}: not valid JSON`, { param, cause });
  }
}

/** The part of a chat body that decides the prompt. */
export function chatPrompt(input: GenerationInput & { kind: 'chat' }): Record<string, unknown> {
  const choice = input.toolChoice;
  // Naming one tool and requiring a call of it is the same as offering only that one.
  const tools =
    typeof choice === 'object' ? input.tools.filter(({ name }) => name === choice.name) : input.tools;
  if (typeof choice === 'object' && tools.length === 0) {
    throw new EngineError(
      'invalid_request',
      `tool_choice names ${JSON.stringify(choice.name)}, which tools lacks`,
      {
        param: 'tool_choice',
      },
    );
  }
  return {
    messages: input.messages.map(message),
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(tool),
          tool_choice: typeof choice === 'object' ? 'required' : (choice ?? 'auto'),
          ...(input.parallelToolCalls === undefined ? {} : { parallel_tool_calls: input.parallelToolCalls }),
        }),
  };
}

/** llama-server takes 32 bits and means "random" by the largest; the same caller's seed stays the same seed. */
export function seedNumber(seed: bigint): number {
  const folded = Number(BigInt.asUintN(32, seed));
  return folded === 0xff_ff_ff_ff ? 0xff_ff_ff_fe : folded;
}

function sampling({ sampling: s, input }: GenerationRequest): Record<string, unknown> {
  const entries: [string, unknown][] = [
    ['temperature', s.temperature],
    ['top_p', s.topP],
    ['top_k', s.topK],
    ['min_p', s.minP],
    ['typical_p', s.typicalP],
    ['frequency_penalty', s.frequencyPenalty],
    ['presence_penalty', s.presencePenalty],
    ['repeat_penalty', s.repeatPenalty],
    ['seed', s.seed === undefined ? undefined : seedNumber(s.seed)],
    ['stop', s.stop === undefined || s.stop.length === 0 ? undefined : s.stop],
    ['max_tokens', s.maxTokens],
    ['n', s.candidates === undefined || s.candidates === 1 ? undefined : s.candidates],
    ['logit_bias', s.logitBias === undefined || s.logitBias.size === 0 ? undefined : [...s.logitBias]],
  ];
  if (s.topLogprobs !== undefined) {
    if (input.kind === 'chat') entries.push(['logprobs', true], ['top_logprobs', s.topLogprobs]);
    else entries.push(['logprobs', s.topLogprobs]);
  }
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function format(request: GenerationRequest): Record<string, unknown> {
  const wanted = request.format;
  if (wanted === undefined) return {};
  // The completion route knows no response_format; its own field takes the schema alone.
  if (request.input.kind === 'completion') {
    const schema = wanted.kind === 'json' ? '{"type":"object"}' : jsonText(wanted.schema, 'response_format');
    return { json_schema: new RawJson(schema) };
  }
  if (wanted.kind === 'json') return { response_format: { type: 'json_object' } };
  const schema = new RawJson(jsonText(wanted.schema, 'response_format'));
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } };
}

function templateValues({ extra }: GenerationRequest): object {
  const values = extra?.['chat_template_kwargs'];
  return typeof values === 'object' && values !== null ? values : {};
}

/** The route and the body of a generation. */
export function generationCall(request: GenerationRequest, stream: boolean): { path: string; body: string } {
  const { input, reasoning } = request;
  const body = {
    // First, so that nothing the adapter maps itself can be overridden.
    ...request.extra,
    ...(input.kind === 'chat' ? chatPrompt(input) : { prompt: input.prompt }),
    ...sampling(request),
    ...format(request),
    ...(reasoning?.effort === undefined ? {} : { reasoning_effort: reasoning.effort }),
    // Templates know the switch by this name; what the caller gives them beside it stays.
    ...(reasoning?.effort === 'none'
      ? { chat_template_kwargs: { ...templateValues(request), enable_thinking: false } }
      : {}),
    ...(reasoning?.budgetTokens === undefined ? {} : { thinking_budget_tokens: reasoning.budgetTokens }),
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
  };
  return {
    path: input.kind === 'chat' ? '/v1/chat/completions' : '/v1/completions',
    body: stringifyWithRaw(body),
  };
}
