import type { Delta } from '@outrigger/proto';
import type { Generation } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';
import type { FinishWord } from '../shared/finish-reason.js';
import { answerId, created } from './answer-id.js';
import { ChunkStream, type CandidateState } from './chunk-stream.js';
import { completionLogprobs } from './logprobs.js';

/** An answer as text_completion events. */
export class CompletionStream extends ChunkStream {
  /** `echo` is the prompt where the caller wants it repeated, else empty. */
  constructor(
    exchange: Exchange,
    generation: Generation,
    includeUsage: boolean,
    private readonly echo: string,
  ) {
    super(exchange, generation, answerId('cmpl'), 'text_completion', created(), includeUsage);
  }

  protected beginChoice(candidate: CandidateState): string {
    return this.echo === '' ? '' : this.textChoice(candidate, this.echo);
  }

  protected textChoice({ index }: CandidateState, text: string): string {
    return `{"index":${index},"text":${JSON.stringify(text)},"logprobs":null,"finish_reason":null}`;
  }

  protected endChoice({ index }: CandidateState, word: FinishWord): string {
    return `{"index":${index},"text":"","logprobs":null,"finish_reason":"${word}"}`;
  }

  protected deltaChoice({ index, length }: CandidateState, { kind, logprobs }: Delta): string {
    // A completion is text and nothing else; a refusal is what the model wrote instead.
    if (kind?.$case !== 'text' && kind?.$case !== 'refusal') return '';
    const shown = JSON.stringify(completionLogprobs(logprobs, this.echo.length + length));
    return `{"index":${index},"text":${JSON.stringify(kind.value)},"logprobs":${shown},"finish_reason":null}`;
  }
}
