import { Role, type Message, type Part } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import { invalid } from '../unsupported.js';
import type { ChatTemplate } from './templates.js';

const roles: Readonly<Record<number, string>> = {
  [Role.ROLE_SYSTEM]: 'system',
  [Role.ROLE_DEVELOPER]: 'system',
  [Role.ROLE_ASSISTANT]: 'assistant',
  [Role.ROLE_TOOL]: 'tool',
};

interface TemplateToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: unknown };
}

interface TemplateMessage {
  readonly role: string;
  content: string;
  readonly name?: string;
  readonly tool_calls?: readonly TemplateToolCall[];
  readonly tool_call_id?: string;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return json;
  }
}

/** The text of parts; what a tensor of text cannot carry is refused: an answer that ignores it would be wrong. */
function textOf(parts: readonly Part[], field: string): string {
  let text = '';
  for (const [index, { kind }] of parts.entries()) {
    switch (kind?.$case) {
      case 'text':
      case 'refusal':
        text += kind.value.text;
        break;
      case 'toolCall':
        text += `${text === '' ? '' : '\n'}<tool_call>\n${JSON.stringify({ name: kind.value.name, arguments: parsed(kind.value.argumentsJson) })}\n</tool_call>`;
        break;
      case 'toolResult':
        text += textOf(kind.value.parts, `${field}.parts[${index}].tool_result`);
        break;
      case 'media': {
        const at = `${field}.parts[${index}]`;
        const description = 'the model reads text only';
        throw new PluginError('UNSUPPORTED_PARAMETER', `${at}: ${description}`, {
          fields: [{ field: at, description }],
        });
      }
      case 'opaque':
        throw invalid(
          `${field}.parts[${index}]`,
          `a block of the kind ${JSON.stringify(kind.value.type)} cannot be put into a prompt`,
        );
      // Earlier reasoning is not repeated to a model.
      case 'reasoning':
      case undefined:
        break;
    }
  }
  return text;
}

function templateMessage(message: Message, index: number): TemplateMessage {
  const calls: TemplateToolCall[] = [];
  let answered: string | undefined;
  for (const { kind } of message.parts) {
    if (kind?.$case === 'toolCall') {
      const { id, name, argumentsJson } = kind.value;
      calls.push({ id, type: 'function', function: { name, arguments: parsed(argumentsJson) } });
    }
    if (kind?.$case === 'toolResult') answered ??= kind.value.toolCallId;
  }
  return {
    role: roles[message.role] ?? 'user',
    content: textOf(message.parts, `messages[${index}]`),
    ...(message.name === '' ? {} : { name: message.name }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(answered === undefined ? {} : { tool_call_id: answered }),
  };
}

function render(
  template: ChatTemplate,
  messages: readonly TemplateMessage[],
  addGenerationPrompt: boolean,
): string {
  try {
    return template.template.render({
      messages: [...messages],
      add_generation_prompt: addGenerationPrompt,
      bos_token: template.bosToken,
      eos_token: template.eosToken,
    });
  } catch (error) {
    // Templates refuse with raise_exception, for example two user turns in a row.
    throw invalid(
      'messages',
      `the chat template of the model refuses them: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The prompt for a conversation. Throws INVALID_REQUEST naming the message that cannot be put into words. */
export function promptOf(messages: readonly Message[], template: ChatTemplate): string {
  const all = messages.map(templateMessage);
  const last = all.at(-1);
  if (last === undefined) throw invalid('messages', 'give at least one message, or a prompt');
  if (messages.at(-1)?.prefill !== true || last.role !== 'assistant') return render(template, all, true);
  // The prompt ends within the assistant's turn: whatever the template puts after its text is cut off.
  const mark = '\u0001outrigger\u0001';
  const content = last.content;
  last.content = mark;
  const rendered = render(template, all, false);
  const at = rendered.lastIndexOf(mark);
  if (at < 0)
    throw invalid('messages', 'the chat template of the model cannot continue an assistant message');
  return rendered.slice(0, at) + content;
}
