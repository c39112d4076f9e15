import { Role, type Message, type Part } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import type { MessageInput } from './content-schema.js';
import { mediaPart } from './media.js';

const none = Buffer.alloc(0);

/** The turns of a conversation in the words of the contract. */
export function toMessages(input: readonly MessageInput[]): Message[] {
  const names = new Map<string, string>();
  return input.map((message, index) => {
    if (message.role === 'assistant' && message.prefix === true && index !== input.length - 1) {
      const param = `messages[${index}].prefix`;
      throw new GatewayError('invalid_request', `\`${param}\` is only allowed on the last message`, {
        param,
      });
    }
    return toMessage(message, index, names);
  });
}

/** `names` remembers which tool each call meant, because some vendors join results by name. */
function toMessage(message: MessageInput, index: number, names: Map<string, string>): Message {
  const extensions = extras(message);
  switch (message.role) {
    case 'system':
      return turn(Role.ROLE_SYSTEM, texts(message.content), message.name, extensions);
    case 'developer':
      return turn(Role.ROLE_DEVELOPER, texts(message.content), message.name, extensions);
    case 'user':
      return turn(Role.ROLE_USER, userParts(message.content, index), message.name, extensions);
    case 'assistant': {
      for (const call of message.tool_calls ?? []) names.set(call.id, call.function.name);
      const made = turn(Role.ROLE_ASSISTANT, assistantParts(message), message.name, extensions);
      made.prefill = message.prefix ?? false;
      return made;
    }
    case 'tool': {
      const toolCallId = message.tool_call_id;
      const name = message.name ?? names.get(toolCallId) ?? '';
      const value = { toolCallId, name, parts: texts(message.content), isError: false };
      return turn(
        Role.ROLE_TOOL,
        [{ kind: { $case: 'toolResult', value }, signature: none }],
        '',
        extensions,
      );
    }
  }
}

function turn(
  role: Role,
  parts: Part[],
  name: string | null | undefined,
  extensions: Record<string, string>,
): Message {
  return { role, parts, name: name ?? '', prefill: false, extensions };
}

/** A piece of text. */
export function text(value: string): Part {
  return { kind: { $case: 'text', value: { text: value } }, signature: none };
}

function texts(content: string | readonly { text: string }[]): Part[] {
  return typeof content === 'string' ? [text(content)] : content.map((part) => text(part.text));
}

type User = Extract<MessageInput, { role: 'user' }>;
type Assistant = Extract<MessageInput, { role: 'assistant' }>;

function userParts(content: User['content'], index: number): Part[] {
  if (typeof content === 'string') return [text(content)];
  return content.map((part, at) =>
    part.type === 'text'
      ? text(part.text)
      : {
          kind: { $case: 'media', value: mediaPart(part, `messages[${index}].content[${at}]`) },
          signature: none,
        },
  );
}

function assistantParts(message: Assistant): Part[] {
  const parts: Part[] = [];
  const { reasoning_content: reasoning, content, refusal } = message;
  if (typeof reasoning === 'string' && reasoning !== '') {
    const value = { text: reasoning, encrypted: none, summary: false };
    parts.push({ kind: { $case: 'reasoning', value }, signature: none });
  }
  if (typeof content === 'string') {
    if (content !== '') parts.push(text(content));
  } else {
    for (const part of content ?? []) {
      parts.push(part.type === 'text' ? text(part.text) : refused(part.refusal));
    }
  }
  if (typeof refusal === 'string' && refusal !== '') parts.push(refused(refusal));
  for (const call of message.tool_calls ?? []) {
    const value = {
      id: call.id,
      name: call.function.name,
      argumentsJson: call.function.arguments,
      idSynthesised: false,
    };
    parts.push({ kind: { $case: 'toolCall', value }, signature: none });
  }
  return parts;
}

function refused(value: string): Part {
  return { kind: { $case: 'refusal', value: { text: value } }, signature: none };
}

const fields = new Set([
  'role',
  'content',
  'name',
  'refusal',
  'reasoning_content',
  'tool_calls',
  'tool_call_id',
  'prefix',
]);

/** Keys without a name in the contract go on under their own namespace, as JSON text. */
function extras(message: MessageInput): Record<string, string> {
  const extensions: Record<string, string> = {};
  for (const key in message) {
    if (fields.has(key)) continue;
    const value = message[key];
    // Clients send earlier answers back as they came, with empty fields in them.
    if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    extensions[`openai.${key}`] = JSON.stringify(value);
  }
  return extensions;
}
