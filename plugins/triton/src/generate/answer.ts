import { StringDecoder } from 'node:string_decoder';
import { finish, text, usage, type FinishName } from '@outrigger/sdk-plugin';
import type { GenerateEvent } from '@outrigger/proto';
import type { InferenceAnswer } from '../server/endpoint.js';
import { bytesOf, valuesOf } from '../server/tensor.js';
import { StopFilter } from './stop-filter.js';

/** What is known of an answer before it comes. */
export interface AnswerRules {
  /** Name of the output with the text. */
  readonly output: string;
  readonly prompt: string;
  /** The model repeats the prompt first. */
  readonly echo: boolean;
  /** Each piece is all so far. */
  readonly cumulative: boolean;
  /** Sequences that callers asked for. */
  readonly stop: readonly string[];
  /** Sequences that end a turn of the chat template. */
  readonly turnEnds: readonly string[];
}

const finishNames: Readonly<Record<string, FinishName>> = {
  stop: 'stop',
  eos: 'stop',
  end_id: 'stop',
  stop_words: 'stop_sequence',
  length: 'length',
  max_tokens: 'length',
  abort: 'other',
};

/** About so many tokens: four bytes each, as common vocabularies have it. */
export function estimateTokens(content: string): number {
  return content === '' ? 0 : Math.max(1, Math.ceil(Buffer.byteLength(content) / 4));
}

/** Turns the answers of a model into the events of a generation. */
export class AnswerReader {
  readonly #rules: AnswerRules;
  readonly #decoder = new StringDecoder('utf8');
  readonly #filter: StopFilter;
  /** What of the prompt is still to be taken out. */
  #echo: string;
  #whole = '';
  #spoken = '';
  #pieces = 0;
  #reason = '';
  #inputTokens: number | undefined;
  #outputTokens: number | undefined;

  constructor(rules: AnswerRules) {
    this.#rules = rules;
    this.#filter = new StopFilter([...rules.stop, ...rules.turnEnds]);
    this.#echo = rules.echo ? rules.prompt : '';
  }

  /** A sequence came up that ends the answer; whatever follows is of no interest. */
  get stopped(): boolean {
    return this.#filter.found !== undefined;
  }

  /** The events for more of the answer. Throws MalformedTensor. */
  take(answer: InferenceAnswer): GenerateEvent[] {
    this.#count(answer);
    const output = answer.outputs.find((candidate) => candidate.name === this.#rules.output);
    const bytes = output === undefined ? undefined : bytesOf(output)[0];
    if (bytes === undefined) return [];
    this.#pieces += bytes.length > 0 ? 1 : 0;
    return this.#speak(this.#fresh(bytes));
  }

  /** The last events: what was held back, why it ended, and what it cost. */
  end(): GenerateEvent[] {
    const events = this.stopped
      ? []
      : [...this.#speak(this.#decoder.end()), ...this.#spokenEvent(this.#filter.flush())];
    return [...events, this.#finish(), this.#usage()];
  }

  /** What is new in a piece. */
  #fresh(bytes: Buffer): string {
    if (!this.#rules.cumulative) return this.#decoder.write(bytes);
    const whole = bytes.toString('utf8');
    const fresh = whole.startsWith(this.#whole) ? whole.slice(this.#whole.length) : '';
    if (fresh !== '') this.#whole = whole;
    return fresh;
  }

  #speak(content: string): GenerateEvent[] {
    let rest = content;
    if (this.#echo !== '' && rest !== '') {
      const common = Math.min(this.#echo.length, rest.length);
      if (rest.slice(0, common) === this.#echo.slice(0, common)) {
        this.#echo = this.#echo.slice(common);
        rest = rest.slice(common);
      } else {
        // It does not repeat the prompt after all: what was taken out belongs to the answer.
        rest = this.#rules.prompt.slice(0, this.#rules.prompt.length - this.#echo.length) + rest;
        this.#echo = '';
      }
    }
    return this.#spokenEvent(this.#filter.push(rest));
  }

  #spokenEvent(content: string): GenerateEvent[] {
    if (content === '') return [];
    this.#spoken += content;
    return [text(content)];
  }

  #count(answer: InferenceAnswer): void {
    for (const output of answer.outputs) {
      if (output.name === 'finish_reason' && output.datatype === 'BYTES') {
        const word = bytesOf(output)[0]?.toString('utf8') ?? '';
        // The backend says "None" until it has one.
        if (word !== '' && word !== 'None') this.#reason = word;
      } else if (output.name === 'num_input_tokens') {
        this.#inputTokens = Math.max(this.#inputTokens ?? 0, Number(valuesOf(output)[0] ?? 0));
      } else if (output.name === 'num_output_tokens') {
        // Counts what this piece has, not all so far.
        this.#outputTokens = (this.#outputTokens ?? 0) + Number(valuesOf(output)[0] ?? 0);
      }
    }
  }

  #finish(): GenerateEvent {
    const found = this.#filter.found;
    if (found !== undefined) {
      const asked = this.#rules.stop.includes(found);
      return finish(asked ? 'stop_sequence' : 'stop', { raw: 'stop', detail: found });
    }
    if (this.#reason === '') return finish('unknown');
    const name = Object.hasOwn(finishNames, this.#reason) ? finishNames[this.#reason] : undefined;
    return finish(name ?? 'other', { raw: this.#reason });
  }

  #usage(): GenerateEvent {
    const estimated = this.#inputTokens === undefined || this.#outputTokens === undefined;
    // A model that streams sends about a token at a time.
    const outputTokens =
      this.#outputTokens ?? (this.#pieces > 1 ? this.#pieces : estimateTokens(this.#spoken));
    return usage({
      inputTokens: this.#inputTokens ?? estimateTokens(this.#rules.prompt),
      outputTokens,
      estimated,
    });
  }
}
