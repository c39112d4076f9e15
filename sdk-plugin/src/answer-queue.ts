import type { CallAnswer } from '@outrigger/proto';
import type { CarriedCaller } from './carried-caller.js';

/** Most bytes that leave together, beside a piece of a long message. */
const fullBytes = 256 * 1024;

/** The answers that wait to leave, in order. Long messages take turns: one piece waits at a time. */
export class AnswerQueue {
  /** How much waits. */
  bytes = 0;
  #answers: CallAnswer[] = [];
  readonly #inPieces: CarriedCaller[] = [];
  #piece: CallAnswer | undefined;

  get isEmpty(): boolean {
    return this.#answers.length === 0 && this.#inPieces.length === 0;
  }

  push(answer: CallAnswer): void {
    this.#answers.push(answer);
    this.bytes += weightOf(answer);
  }

  /** Asks the caller for its pieces. */
  pushInPieces(caller: CarriedCaller): void {
    this.#inPieces.push(caller);
  }

  /** What leaves next. */
  take(): CallAnswer[] {
    this.#pushPiece();
    let bytes = 0;
    let count = 0;
    for (const answer of this.#answers) {
      const weight = weightOf(answer);
      if (answer === this.#piece) this.#piece = undefined;
      else if (count > 0 && bytes + weight > fullBytes) break;
      else bytes += weight;
      this.bytes -= weight;
      count += 1;
    }
    if (count < this.#answers.length) return this.#answers.splice(0, count);
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }

  clear(): void {
    this.#answers = [];
    this.bytes = 0;
    this.#inPieces.length = 0;
    this.#piece = undefined;
  }

  #pushPiece(): void {
    while (this.#piece === undefined) {
      const caller = this.#inPieces.shift();
      if (caller === undefined) return;
      const at = this.#answers.length;
      if (caller.piece()) this.#inPieces.push(caller);
      // A call that was given up has none left.
      this.#piece = this.#answers[at];
    }
  }
}

/** About what an answer takes of the stream. */
function weightOf({ message, end }: CallAnswer): number {
  return 16 + (message?.length ?? 0) + (end === undefined ? 0 : end.message.length + end.details.length);
}
