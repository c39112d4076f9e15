import { Modality, Role, type MediaPart, type Message, type Part } from '@outrigger/proto';
import type { ChatContentPart, ChatMessage, ChatToolCall } from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';

const ROLES: Readonly<Partial<Record<Role, ChatMessage['role']>>> = {
  [Role.ROLE_SYSTEM]: 'system',
  // Templates know three voices; the application's instructions are the system's.
  [Role.ROLE_DEVELOPER]: 'system',
  [Role.ROLE_ASSISTANT]: 'assistant',
  [Role.ROLE_TOOL]: 'tool',
};

/** Conversation turns as chat templates want them: every tool result is a message of its own. */
export function chatMessages(messages: readonly Message[], vision: boolean): ChatMessage[] {
  return messages.flatMap((message, index) => chatMessage(message, index, vision));
}

function chatMessage(message: Message, index: number, vision: boolean): ChatMessage[] {
  const role = ROLES[message.role] ?? 'user';
  const content: ChatContentPart[] = [];
  const results: ChatMessage[] = [];
  const toolCalls: ChatToolCall[] = [];
  let reasoning = '';
  for (const [at, { kind }] of message.parts.entries()) {
    const where = `messages[${index}].content[${at}]`;
    switch (kind?.$case) {
      case 'text':
        content.push({ type: 'text', text: kind.value.text });
        break;
      case 'refusal':
        content.push({ type: 'text', text: kind.value.text });
        break;
      case 'reasoning':
        reasoning += kind.value.text;
        break;
      case 'toolCall':
        toolCalls.push({
          id: kind.value.id,
          name: kind.value.name,
          arguments: kind.value.argumentsJson || '{}',
        });
        break;
      case 'toolResult': {
        const { toolCallId, name, parts } = kind.value;
        results.push({ role: 'tool', toolCallId, content: textOf(parts), ...(name === '' ? {} : { name }) });
        break;
      }
      case 'media':
        content.push(media(kind.value, where, vision));
        break;
      case 'opaque':
        throw new EngineError(
          'invalid_request',
          `${where}: a part of ${kind.value.vendor} cannot be given to this model`,
          {
            param: 'messages',
          },
        );
      case undefined:
        break;
    }
  }
  const own = content.length > 0 || toolCalls.length > 0 || reasoning !== '' || results.length === 0;
  const turn: ChatMessage = {
    role,
    content: plain(content, toolCalls.length > 0),
    ...(reasoning === '' ? {} : { reasoning }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
    ...(message.name === '' ? {} : { name: message.name }),
  };
  return own ? [...results, turn] : results;
}

/** One text where that is all; some templates read nothing else. */
function plain(content: readonly ChatContentPart[], calls: boolean): ChatMessage['content'] {
  if (content.length === 0) return calls ? null : '';
  if (content.every((part) => part.type === 'text')) return content.map((part) => part.text).join('');
  return content;
}

function textOf(parts: readonly Part[]): string {
  return parts
    .map(({ kind }) =>
      kind?.$case === 'text' ? kind.value.text : kind?.$case === 'opaque' ? kind.value.json : '',
    )
    .join('');
}

/** Only bytes travel on: an address would make the engine fetch whatever a caller names. */
function media(part: MediaPart, where: string, vision: boolean): ChatContentPart {
  const refuse = (why: string): never => {
    throw new EngineError('unsupported', `${where}: ${why}`, { param: 'messages' });
  };
  if (!vision) return refuse('this model reads text only');
  const { source, modality, mimeType } = part;
  if (source?.$case !== 'data') return refuse('send the bytes of the file; addresses are not fetched');
  const audio = modality === Modality.MODALITY_AUDIO || mimeType.startsWith('audio/');
  const base64 = source.value.toString('base64');
  if (audio)
    return {
      type: 'input_audio',
      input_audio: { data: base64, format: mimeType.includes('wav') ? 'wav' : 'mp3' },
    };
  if (modality !== Modality.MODALITY_IMAGE && !mimeType.startsWith('image/'))
    return refuse('only pictures and sound can be read');
  return { type: 'image_url', image_url: { url: `data:${mimeType || 'image/png'};base64,${base64}` } };
}
