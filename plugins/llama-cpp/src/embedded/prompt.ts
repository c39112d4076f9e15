import type { Template } from '@huggingface/jinja';
import type { LlamaModel, Token } from 'node-llama-cpp';
import type { ChatMessage, GenerationInput } from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';

/** The opening of a tool call, put into the prompt when a call is required. */
export const CALL_OPENING = '<tool_call>\n';

/** A message as templates expect it: arguments as objects. */
function templateMessage(message: ChatMessage): Record<string, unknown> {
  const { role, content } = message;
  const text = typeof content === 'string' ? content : (content ?? []).map(partText).join('');
  return {
    role,
    content: text,
    ...(message.reasoning === undefined ? {} : { reasoning_content: message.reasoning }),
    ...(message.name === undefined ? {} : { name: message.name }),
    ...(message.toolCallId === undefined ? {} : { tool_call_id: message.toolCallId }),
    ...(message.toolCalls === undefined || message.toolCalls.length === 0
      ? {}
      : {
          tool_calls: message.toolCalls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: parsed(call.arguments) },
          })),
        }),
  };
}

function partText(part: { type: string; text?: string }): string {
  if (part.type === 'text') return part.text ?? '';
  throw new EngineError('unsupported', 'the embedded engine reads text only', { param: 'messages' });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** Renders the prompt of a chat. */
export function renderChat(
  input: GenerationInput & { kind: 'chat' },
  template: Template,
  model: LlamaModel,
  options: { thinking?: boolean } = {},
): string {
  const tools =
    input.toolChoice === 'none'
      ? []
      : input.tools.map(({ name, description, parameters }) => ({
          type: 'function',
          function: {
            name,
            description,
            parameters: parameters === '' ? { type: 'object' } : parsed(parameters),
          },
        }));
  try {
    const prompt = template.render({
      messages: input.messages.map(templateMessage),
      ...(tools.length === 0 ? {} : { tools }),
      add_generation_prompt: input.prefill !== true,
      bos_token: model.tokens.bosString ?? '',
      eos_token: model.tokens.eosString ?? '',
      ...(options.thinking === undefined ? {} : { enable_thinking: options.thinking }),
    });
    return input.prefill === true ? withoutTurnEnd(prompt, input.messages.at(-1)) : prompt;
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('invalid_request', `the model's chat template refuses these messages: ${reason}`, {
      param: 'messages',
      cause,
    });
  }
}

/** Cuts what the template puts behind the last message, so that the model goes on with it. */
function withoutTurnEnd(prompt: string, last: ChatMessage | undefined): string {
  const content = typeof last?.content === 'string' ? last.content : '';
  const at = prompt.lastIndexOf(content);
  return at === -1 ? prompt : prompt.slice(0, at + content.length);
}

/** Tokens of a prompt, with the one that begins every text where the model wants it, and never twice. */
export function promptTokens(prompt: string, model: LlamaModel): Token[] {
  const tokens = model.tokenize(prompt, true);
  const begin = model.tokens.bos;
  if (model.tokens.shouldPrependBosToken && begin !== null && tokens[0] !== begin) tokens.unshift(begin);
  return tokens;
}
