import type { LlamaModel, Token } from 'node-llama-cpp';

const CONTEXT = 8;
const MAX_HELD = 6;

/** Turns tokens into text one by one, holding back those that end in the middle of a character. */
export class TokenText {
  readonly #model: LlamaModel;
  readonly #before: Token[];
  #held: Token[] = [];

  /** @param prompt the tokens before; some tokenizers write a token differently at the very start. */
  constructor(model: LlamaModel, prompt: readonly Token[]) {
    this.#model = model;
    this.#before = prompt.slice(-CONTEXT);
  }

  push(token: Token): string {
    this.#held.push(token);
    const text = this.#model.detokenize(this.#held, false, this.#before);
    // A character of four bytes may come in as many tokens; what is still broken then is broken for good.
    if (text.endsWith('\uFFFD') && this.#held.length < MAX_HELD) return '';
    this.#before.push(...this.#held);
    this.#before.splice(0, Math.max(0, this.#before.length - CONTEXT));
    this.#held = [];
    return text;
  }

  end(): string {
    const text = this.#held.length === 0 ? '' : this.#model.detokenize(this.#held, false, this.#before);
    this.#held = [];
    return text;
  }
}
