import type { Delta } from '@outrigger/proto';
import type { Generation } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';
import type { FinishWord } from '../shared/finish-reason.js';
import { answerId, created } from './answer-id.js';
import { ChunkStream, type CandidateState } from './chunk-stream.js';
import { chatLogprobs } from './logprobs.js';
import { mediaUrl } from './media-url.js';

/** An answer as chat.completion.chunk events. */
export class ChatStream extends ChunkStream {
  constructor(exchange: Exchange, generation: Generation, includeUsage: boolean) {
    super(exchange, generation, answerId('chatcmpl'), 'chat.completion.chunk', created(), includeUsage);
  }

  protected beginChoice({ index }: CandidateState, first: Delta | undefined): string {
    // OpenAI opens a turn that only calls tools with null and every other with empty text.
    const content = first?.kind?.$case === 'toolCall' ? 'null' : '""';
    return choice(index, `{"role":"assistant","content":${content}}`, 'null');
  }

  protected textChoice({ index }: CandidateState, text: string): string {
    return choice(index, `{"content":${JSON.stringify(text)}}`, 'null');
  }

  protected endChoice({ index }: CandidateState, word: FinishWord): string {
    return `{"index":${index},"delta":{},"logprobs":null,"finish_reason":"${word}"}`;
  }

  protected deltaChoice(candidate: CandidateState, delta: Delta): string {
    const { kind, logprobs } = delta;
    const { index } = candidate;
    switch (kind?.$case) {
      case 'text':
        return choice(
          index,
          `{"content":${JSON.stringify(kind.value)}}`,
          JSON.stringify(chatLogprobs(logprobs)),
        );
      case 'refusal': {
        const shown = JSON.stringify(chatLogprobs([], logprobs));
        return choice(index, `{"refusal":${JSON.stringify(kind.value)}}`, shown);
      }
      case 'reasoning':
        return kind.value === ''
          ? ''
          : choice(index, `{"reasoning_content":${JSON.stringify(kind.value)}}`, 'null');
      case 'toolCall': {
        const at = candidate.toolParts.push(delta.part) - 1;
        const { id, name, argumentsJson } = kind.value;
        const call = { index: at, id, type: 'function', function: { name, arguments: argumentsJson } };
        return choice(index, JSON.stringify({ tool_calls: [call] }), 'null');
      }
      case 'toolArguments': {
        const at = candidate.toolParts.lastIndexOf(delta.part);
        if (at < 0 || kind.value === '') return '';
        const call = { index: at, function: { arguments: kind.value } };
        return choice(index, JSON.stringify({ tool_calls: [call] }), 'null');
      }
      case 'media': {
        const image = { type: 'image_url', image_url: { url: mediaUrl(kind.value) } };
        return choice(index, JSON.stringify({ images: [image] }), 'null');
      }
      default:
        return '';
    }
  }
}

function choice(index: number, delta: string, logprobs: string): string {
  return `{"index":${index},"delta":${delta},"logprobs":${logprobs},"finish_reason":null}`;
}
