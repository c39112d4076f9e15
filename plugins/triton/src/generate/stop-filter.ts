/**
 * Ends a text before the first of some sequences, also when they come in pieces.
 * What may be the beginning of one is held back.
 */
export class StopFilter {
  readonly #sequences: readonly string[];
  readonly #longest: number;
  #held = '';
  #found: string | undefined;

  constructor(sequences: readonly string[]) {
    this.#sequences = sequences.filter((sequence) => sequence !== '');
    this.#longest = Math.max(0, ...this.#sequences.map((sequence) => sequence.length));
  }

  /** The sequence that came up. */
  get found(): string | undefined {
    return this.#found;
  }

  /** Takes more text and returns what is safe to pass on. */
  push(text: string): string {
    if (this.#found !== undefined) return '';
    if (this.#longest === 0) return text;
    const all = this.#held + text;
    let end = -1;
    for (const sequence of this.#sequences) {
      const at = all.indexOf(sequence);
      if (at >= 0 && (end < 0 || at < end)) {
        end = at;
        this.#found = sequence;
      }
    }
    if (end >= 0) {
      this.#held = '';
      return all.slice(0, end);
    }
    const keep = this.#beginning(all);
    this.#held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  /** Nothing more comes: what was held back belongs to the text. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** Length of the longest end of `text` with which a sequence begins. */
  #beginning(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length -= 1) {
      const end = text.slice(text.length - length);
      if (this.#sequences.some((sequence) => sequence.length > length && sequence.startsWith(end)))
        return length;
    }
    return 0;
  }
}
