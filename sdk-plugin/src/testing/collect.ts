import {
  FinishReason,
  type GenerateEvent,
  type Head,
  type TokenLogprob,
  type Usage,
  type Warning,
} from '@outrigger/proto';

/** A tool call, whole. */
export interface CollectedToolCall {
  readonly id: string;
  readonly name: string;
  readonly argumentsJson: string;
}

/** A Generate stream, folded. */
export interface Answer {
  readonly head: Head | undefined;
  /** Text of candidate 0. */
  readonly text: string;
  readonly reasoning: string;
  readonly refusal: string;
  /** Tool calls of candidate 0, in order. */
  readonly toolCalls: readonly CollectedToolCall[];
  /** Why candidate 0 ended, without the prefix: "STOP", "LENGTH", … */
  readonly finish: string;
  /** The vendor's own word. */
  readonly rawFinish: string;
  readonly usage: Usage | undefined;
  readonly warnings: readonly Warning[];
  readonly logprobs: readonly TokenLogprob[];
  /** Texts by candidate, candidate 0 first. */
  readonly candidates: readonly string[];
  readonly events: readonly GenerateEvent[];
}

/**
 * Reads a Generate stream to its end and folds it.
 * @throws when the stream breaks the contract's grammar: no head, no finish, no end.
 */
export async function collect(stream: AsyncIterable<GenerateEvent>): Promise<Answer> {
  const events: GenerateEvent[] = [];
  const texts: string[] = [];
  const calls = new Map<number, { id: string; name: string; argumentsJson: string }>();
  const answer = { reasoning: '', refusal: '', finish: '', rawFinish: '' };
  let head: Head | undefined;
  let usage: Usage | undefined;
  const warnings: Warning[] = [];
  const logprobs: TokenLogprob[] = [];
  let ended = false;

  for await (const item of stream) {
    events.push(item);
    const event = item.event;
    if (ended) throw new Error(`${event?.$case ?? 'an event'} came after the end`);
    if (head === undefined && !['head', 'progress', 'warning'].includes(event?.$case ?? '')) {
      throw new Error(`${event?.$case ?? 'an event'} came before the head`);
    }
    switch (event?.$case) {
      case 'head':
        if (head !== undefined) throw new Error('there are two heads');
        head = event.value;
        break;
      case 'delta': {
        const { candidate, part, kind } = event.value;
        if (kind?.$case === 'text') texts[candidate] = (texts[candidate] ?? '') + kind.value;
        if (candidate !== 0) break;
        logprobs.push(...event.value.logprobs);
        if (kind?.$case === 'reasoning') answer.reasoning += kind.value;
        if (kind?.$case === 'refusal') answer.refusal += kind.value;
        if (kind?.$case === 'toolCall') {
          const { id, name, argumentsJson } = kind.value;
          if (calls.has(part)) throw new Error(`part ${part} begins two tool calls`);
          calls.set(part, { id, name, argumentsJson });
        }
        if (kind?.$case === 'toolArguments') {
          const call = calls.get(part);
          if (call === undefined) throw new Error(`tool arguments came before the tool call of part ${part}`);
          call.argumentsJson += kind.value;
        }
        break;
      }
      case 'finish':
        if (event.value.candidate !== 0) break;
        if (answer.finish !== '') throw new Error('candidate 0 finished twice');
        answer.finish = FinishReason[event.value.reason].replace('FINISH_REASON_', '');
        answer.rawFinish = event.value.raw;
        break;
      case 'usage':
        usage = event.value;
        break;
      case 'warning':
        warnings.push(event.value);
        break;
      case 'end':
        ended = true;
        break;
      case 'progress':
      case 'vendor':
      case undefined:
        break;
    }
  }
  if (!ended) throw new Error('the stream closed without an end');
  if (answer.finish === '') throw new Error('the stream ended without a finish');
  const toolCalls = [...calls.entries()].sort(([a], [b]) => a - b).map(([, call]) => call);
  // Candidates that said nothing are empty and not holes.
  const candidates = Array.from(texts, (text: string | undefined) => text ?? '');
  return { ...answer, text: texts[0] ?? '', head, toolCalls, usage, warnings, logprobs, candidates, events };
}
