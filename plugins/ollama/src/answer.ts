import { randomUUID } from 'node:crypto';
import type { GenerateEvent, TokenLogprob, Usage } from '@outrigger/proto';
import {
  finish,
  head,
  PluginError,
  reasoning,
  text,
  toolCall,
  usage,
  type FinishName,
} from '@outrigger/sdk-plugin';
import { elementTexts, memberText } from './json-text.js';
import { parseObject } from './ollama-client.js';
import { upstreamError } from './ollama-errors.js';
import type { WireAnswer, WireLogprob, WireToolCall } from './ollama-wire.js';

/** What of the request an answer has to know. */
export interface Asked {
  readonly maxOutputTokens: number | undefined;
  readonly contextLength: number | undefined;
  /** Events to stand behind the head. */
  readonly warnings: readonly GenerateEvent[];
}

const nanosecondsPerMillisecond = 1e6;

/** Turns the lines of an answer into events. */
export class Answer {
  readonly #asked: Asked;
  #begun = false;
  #done = false;
  #calls = 0;
  #part = -1;
  #kind: 'text' | 'reasoning' | 'tool' | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  /** The line that says so was there: the answer is whole. */
  get done(): boolean {
    return this.#done;
  }

  /** Appends the events of a line. Throws the error that the line carries, or UPSTREAM_ERROR when it is no line. */
  add(line: string, events: GenerateEvent[]): void {
    if (this.#done) return;
    const wire = parseObject(line) as WireAnswer;
    // The status was 200 when the stream began; an error that comes later is only in the line.
    if (wire.error !== undefined) throw upstreamError(500, line);
    if (!this.#begun) {
      this.#begun = true;
      events.push(head({ model: wire.model ?? '' }), ...this.#asked.warnings);
    }
    const { message } = wire;
    this.#say(
      'reasoning',
      (message === undefined ? wire.thinking : message.thinking) ?? '',
      undefined,
      events,
    );
    const content = (message === undefined ? wire.response : message.content) ?? '';
    this.#say('text', content, wire.logprobs, events);
    if (message?.tool_calls !== undefined && message.tool_calls.length > 0) {
      this.#call(message.tool_calls, line, events);
    }
    if (wire.done === true) {
      this.#done = true;
      this.#end(wire, events);
    }
  }

  #say(
    kind: 'text' | 'reasoning',
    value: string,
    logprobs: WireLogprob[] | undefined,
    events: GenerateEvent[],
  ): void {
    const hasLogprobs = logprobs !== undefined && logprobs.length > 0;
    if (value === '' && !hasLogprobs) return;
    if (this.#kind !== kind) {
      this.#kind = kind;
      this.#part += 1;
    }
    const part = this.#part;
    const event = kind === 'text' ? text : reasoning;
    events.push(event(value, hasLogprobs ? { part, logprobs: logprobs.map(tokenLogprob) } : { part }));
  }

  #call(calls: readonly WireToolCall[], line: string, events: GenerateEvent[]): void {
    const texts = elementTexts(memberText(memberText(line, 'message'), 'tool_calls'));
    calls.forEach((call, index) => {
      this.#kind = 'tool';
      this.#part += 1;
      this.#calls += 1;
      const id = call.id ?? '';
      events.push(
        toolCall(
          {
            id: id === '' ? `call_${randomUUID().replaceAll('-', '')}` : id,
            idSynthesised: id === '',
            name: call.function?.name ?? '',
            // Cut from the line, because parsing and writing again would change numbers and order.
            argumentsJson: memberText(memberText(texts[index], 'function'), 'arguments') ?? '{}',
          },
          { part: this.#part },
        ),
      );
    });
  }

  #end(wire: WireAnswer, events: GenerateEvent[]): void {
    const raw = wire.done_reason ?? '';
    const reason = this.#reason(raw, wire);
    events.push(finish(reason, { raw }));
    const counted = usageOf(wire);
    if (counted !== undefined) events.push(usage(counted));
  }

  #reason(raw: string, wire: WireAnswer): FinishName {
    switch (raw) {
      case 'stop':
        return this.#calls > 0 ? 'tool_calls' : 'stop';
      case 'length':
        return this.#contextIsFull(wire) ? 'context_length' : 'length';
      case '':
        return this.#calls > 0 ? 'tool_calls' : 'unknown';
      case 'load':
      case 'unload':
        throw new PluginError('UPSTREAM_ERROR', `Ollama answered the request as a wish to ${raw} the model`);
      default:
        return 'other';
    }
  }

  /** Ollama says `length` for both; the counts tell them apart. */
  #contextIsFull({ prompt_eval_count: prompt, eval_count: output }: WireAnswer): boolean {
    const { maxOutputTokens, contextLength } = this.#asked;
    if (output === undefined) return false;
    if (maxOutputTokens !== undefined) return output < maxOutputTokens;
    return contextLength !== undefined && prompt !== undefined && prompt + output >= contextLength;
  }
}

/** The error for an answer that ended without its last line. */
export function cutShort(): PluginError {
  return new PluginError('TRUNCATED', "Ollama's answer ended before it was complete");
}

function tokenLogprob(wire: WireLogprob): TokenLogprob {
  const token = wire.token ?? '';
  return {
    token,
    bytes: Buffer.from(wire.bytes ?? token),
    logprob: wire.logprob ?? 0,
    top: wire.top_logprobs?.map(tokenLogprob) ?? [],
  };
}

function milliseconds(nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : nanoseconds / nanosecondsPerMillisecond;
}

/** Counts that are missing are unknown, not zero. Undefined when nothing is known. */
function usageOf(wire: WireAnswer): Partial<Usage> | undefined {
  const { prompt_eval_count: input, eval_count: output } = wire;
  const timings = {
    loadMs: milliseconds(wire.load_duration),
    queueMs: undefined,
    promptMs: milliseconds(wire.prompt_eval_duration),
    generationMs: milliseconds(wire.eval_duration),
  };
  const timed = Object.values(timings).some((value) => value !== undefined);
  if (input === undefined && output === undefined && !timed) return undefined;
  return {
    inputTokens: input,
    outputTokens: output,
    cacheReadTokens: wire.prompt_eval_cached_count,
    ...(timed && { timings }),
  };
}
