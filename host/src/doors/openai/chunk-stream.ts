import type { Delta, Finish, GenerateEvent, Head, Usage } from '@outrigger/proto';
import type { GatewayError } from '../../errors/gateway-error.js';
import type { CallWarning, Generation } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';
import { AnswerStream } from '../shared/answer-stream.js';
import { finishDetail, finishRow, type FinishWord } from '../shared/finish-reason.js';
import { remarks } from '../shared/remarks.js';
import { openaiUsage } from '../shared/usage.js';
import { openaiError } from './openai-error.js';

/** What a stream remembers of a candidate. */
export interface CandidateState {
  readonly index: number;
  started: boolean;
  /** Characters of text sent. */
  length: number;
  /** Part numbers of its tool calls: the position is the index that the client sees. */
  readonly toolParts: number[];
  finish: Finish | undefined;
}

/**
 * What the chunks of chat and completion have in common: one prefix that is serialised once,
 * finish reasons and usage held back until the answer is known to be whole, `[DONE]` last.
 */
export abstract class ChunkStream extends AnswerStream {
  private readonly candidates: CandidateState[] = [];
  private readonly warnings: CallWarning[] = [];
  private usage: Usage | undefined;
  private head: Head | undefined;
  private prefixText = '';
  private readonly usageSuffix: string;
  // Text of the same candidate that came in the same moment is joined into one chunk.
  private run = '';
  private runOf: CandidateState | undefined;

  constructor(
    exchange: Exchange,
    generation: Generation,
    private readonly id: string,
    private readonly object: string,
    private readonly createdAt: number,
    private readonly includeUsage: boolean,
  ) {
    super(exchange, generation);
    this.usageSuffix = includeUsage ? ',"usage":null' : '';
  }

  protected render(events: readonly GenerateEvent[]): string {
    let out = '';
    for (const { event } of events) {
      switch (event?.$case) {
        case 'delta':
          out += this.takeDelta(event.value);
          break;
        case 'head':
          this.head = event.value;
          break;
        case 'finish':
          this.candidate(event.value.candidate).finish ??= event.value;
          break;
        case 'usage':
          this.usage = event.value;
          break;
        case 'warning':
          if (this.warnings.length < 100) this.warnings.push(event.value);
          break;
        default:
      }
    }
    return out + this.flush();
  }

  protected renderEnd(): string {
    let out = '';
    if (this.candidates.length === 0) this.candidate(0);
    for (const candidate of this.candidates) out += this.begin(candidate);
    const details = this.candidates.map((one) => finishDetail(one.index, one.finish));
    const said = remarks(this.generation.served, this.warnings, details);
    this.candidates.forEach((candidate, at) => {
      const last = at === this.candidates.length - 1;
      const extra = last && said !== undefined ? `,"outrigger":${JSON.stringify(said)}` : '';
      out += this.chunk(this.endChoice(candidate, finishRow(candidate.finish).word), extra);
    });
    if (this.includeUsage) {
      const usage = JSON.stringify(openaiUsage(this.usage) ?? null);
      out += `data: ${this.prefix()}"choices":[],"usage":${usage}}\n\n`;
    }
    return `${out}data: [DONE]\n\n`;
  }

  protected renderError(error: GatewayError): string {
    return `data: ${JSON.stringify(openaiError(error))}\n\n`;
  }

  /** The JSON of a choice with this piece of text. */
  protected abstract textChoice(candidate: CandidateState, text: string): string;
  /** The JSON of a choice for a delta that is not plain text; empty when this door has no word for it. */
  protected abstract deltaChoice(candidate: CandidateState, delta: Delta): string;
  /** The JSON of the choice that opens a candidate; empty when none is needed. */
  protected abstract beginChoice(candidate: CandidateState, first: Delta | undefined): string;
  protected abstract endChoice(candidate: CandidateState, word: FinishWord): string;

  private takeDelta(delta: Delta): string {
    const { kind } = delta;
    if (kind === undefined) return '';
    const candidate = this.candidate(delta.candidate);
    if (kind.$case === 'text' && delta.logprobs.length === 0) {
      if (kind.value === '') return '';
      let out = this.runOf === candidate ? '' : this.flush();
      out += this.begin(candidate, delta);
      this.runOf = candidate;
      this.run += kind.value;
      return out;
    }
    const before = this.flush();
    const choice = this.deltaChoice(candidate, delta);
    if (kind.$case === 'text') candidate.length += kind.value.length;
    return choice === '' ? before : before + this.begin(candidate, delta) + this.chunk(choice);
  }

  private flush(): string {
    const { runOf, run } = this;
    if (runOf === undefined) return '';
    this.runOf = undefined;
    this.run = '';
    const out = this.chunk(this.textChoice(runOf, run));
    runOf.length += run.length;
    return out;
  }

  private begin(candidate: CandidateState, first?: Delta): string {
    if (candidate.started) return '';
    candidate.started = true;
    const choice = this.beginChoice(candidate, first);
    return choice === '' ? '' : this.chunk(choice);
  }

  private chunk(choice: string, extra = ''): string {
    return `data: ${this.prefix()}"choices":[${choice}]${this.usageSuffix}${extra}}\n\n`;
  }

  /** Made with the first chunk, when it is known who serves, and the same from then on. */
  private prefix(): string {
    if (this.prefixText === '') {
      const fingerprint = this.head?.systemFingerprint ?? '';
      const fields = {
        id: this.id,
        object: this.object,
        created: this.createdAt,
        model: this.generation.served.model,
        ...(fingerprint === '' ? {} : { system_fingerprint: fingerprint }),
      };
      this.prefixText = `${JSON.stringify(fields).slice(0, -1)},`;
    }
    return this.prefixText;
  }

  private candidate(index: number): CandidateState {
    const known = this.candidates.find((one) => one.index === index);
    if (known !== undefined) return known;
    const made = { index, started: false, length: 0, toolParts: [], finish: undefined };
    this.candidates.push(made);
    return made;
  }
}
