import {
  Modality,
  Role,
  type MediaPart,
  type Message,
  type ToolCall,
  type ToolResult,
} from '@outrigger/proto';
import { isObjectText } from './json-text.js';
import { invalid, type Unsupported } from './unsupported.js';

const roles: Readonly<Record<Role, string>> = {
  [Role.ROLE_UNSPECIFIED]: 'user',
  [Role.ROLE_SYSTEM]: 'system',
  [Role.ROLE_DEVELOPER]: 'system',
  [Role.ROLE_USER]: 'user',
  [Role.ROLE_ASSISTANT]: 'assistant',
  [Role.ROLE_TOOL]: 'tool',
  [Role.UNRECOGNIZED]: 'user',
};

/**
 * The conversation as JSON text of Ollama's `messages`. Ollama's messages are
 * flat: text, reasoning, pictures and calls of one turn lose their order among
 * each other. A tool's answers become messages of their own.
 * Throws INVALID_REQUEST naming the message.
 */
export function chatMessages(messages: readonly Message[], unsupported: Unsupported): string {
  const names = new Map<string, string>();
  const out: string[] = [];
  messages.forEach((message, index) => chatMessage(message, index, names, unsupported, out));
  return `[${out.join(',')}]`;
}

function chatMessage(
  message: Message,
  index: number,
  toolNames: Map<string, string>,
  unsupported: Unsupported,
  out: string[],
): void {
  const where = `messages[${index}]`;
  const answers: string[] = [];
  const images: string[] = [];
  const calls: string[] = [];
  let content = '';
  let thinking = '';
  message.parts.forEach(({ kind }, part) => {
    const place = `${where}.parts[${part}]`;
    switch (kind?.$case) {
      case undefined:
        break;
      case 'text':
      case 'refusal':
        content += kind.value.text;
        break;
      case 'reasoning':
        thinking += kind.value.text;
        break;
      case 'media':
        images.push(media(kind.value, place, unsupported));
        break;
      case 'toolCall':
        calls.push(toolCall(kind.value, calls.length, place));
        if (kind.value.id !== '') toolNames.set(kind.value.id, kind.value.name);
        break;
      case 'toolResult':
        answers.push(toolResult(kind.value, toolNames, place, unsupported));
        break;
      case 'opaque':
        unsupported.note(place, `Ollama does not know blocks of ${kind.value.vendor || 'another vendor'}`);
    }
  });
  if (message.name !== '' && message.role !== Role.ROLE_TOOL) {
    unsupported.note(`${where}.name`, 'Ollama has no names of speakers');
  }
  if (message.prefill) {
    unsupported.note(
      `${where}.prefill`,
      "whether Ollama continues the last message is up to the model's template",
    );
  }
  out.push(...answers);
  if (answers.length > 0 && content === '' && thinking === '' && images.length === 0 && calls.length === 0)
    return;
  let json = `{"role":"${roles[message.role]}","content":${JSON.stringify(content)}`;
  if (thinking !== '') json += `,"thinking":${JSON.stringify(thinking)}`;
  if (images.length > 0) json += `,"images":[${images.join(',')}]`;
  if (calls.length > 0) json += `,"tool_calls":[${calls.join(',')}]`;
  out.push(`${json}}`);
}

function toolCall(call: ToolCall, index: number, place: string): string {
  const argumentsJson = call.argumentsJson.trim() === '' ? '{}' : call.argumentsJson;
  if (!isObjectText(argumentsJson)) {
    throw invalid(
      `${place}.tool_call.arguments_json`,
      `the arguments of the call of ${JSON.stringify(call.name)} are not a JSON object, and Ollama takes nothing else; correct or leave out that turn`,
    );
  }
  const id = call.id === '' || call.idSynthesised ? '' : `"id":${JSON.stringify(call.id)},`;
  return `{${id}"function":{"index":${index},"name":${JSON.stringify(call.name)},"arguments":${argumentsJson}}}`;
}

function toolResult(
  result: ToolResult,
  toolNames: ReadonlyMap<string, string>,
  place: string,
  unsupported: Unsupported,
): string {
  let content = '';
  const images: string[] = [];
  result.parts.forEach(({ kind }, part) => {
    const where = `${place}.tool_result.parts[${part}]`;
    if (kind?.$case === 'text' || kind?.$case === 'refusal') content += kind.value.text;
    else if (kind?.$case === 'media') images.push(media(kind.value, where, unsupported));
    else if (kind !== undefined) unsupported.note(where, 'a tool can answer with text and pictures only');
  });
  const name = result.name || (toolNames.get(result.toolCallId) ?? '');
  let json = `{"role":"tool","content":${JSON.stringify(content)}`;
  if (name !== '') json += `,"tool_name":${JSON.stringify(name)}`;
  if (result.toolCallId !== '') json += `,"tool_call_id":${JSON.stringify(result.toolCallId)}`;
  if (images.length > 0) json += `,"images":[${images.join(',')}]`;
  return `${json}}`;
}

const base64Url = /^data:([^;,]*)(?:;[^;,]*)*;base64,([A-Za-z0-9+/]+={0,2})$/;

/** The bytes of a picture or of a sound as a base64 string in JSON. */
function media(part: MediaPart, place: string, unsupported: Unsupported): string {
  const { source, modality } = part;
  if (modality === Modality.MODALITY_VIDEO || modality === Modality.MODALITY_DOCUMENT) {
    throw invalid(place, 'Ollama reads pictures (and, with some models, sound), no videos and no documents');
  }
  if (part.detail !== '' && part.detail !== 'auto')
    unsupported.note(`${place}.detail`, 'Ollama has no levels of detail');
  switch (source?.$case) {
    case 'data':
      if (source.value.length === 0) throw invalid(place, 'the picture is empty');
      return `"${source.value.toString('base64')}"`;
    case 'url': {
      const data = base64Url.exec(source.value)?.[2];
      if (data !== undefined) return `"${data}"`;
      const given = source.value.startsWith('data:') ? 'a data URL that is not valid base64' : 'an address';
      throw invalid(place, `${given} was given, but Ollama takes bytes only: send data:image/png;base64,…`);
    }
    case 'fileId':
      throw invalid(place, 'Ollama keeps no uploaded files: send the bytes, as data:image/png;base64,…');
    default:
      throw invalid(place, 'the picture has neither bytes nor a data URL');
  }
}
