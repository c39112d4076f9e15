import { heldBack } from './text-splitter.js';

/** Lets text through until a stop string comes up, holding back what may yet become one. */
export class StopScanner {
  readonly #stops: readonly string[];
  #buffer = '';
  /** The stop string that was found. */
  found: string | undefined;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  push(text: string): string {
    if (this.found !== undefined) return '';
    this.#buffer += text;
    const hit = this.#stops
      .map((stop) => ({ stop, at: this.#buffer.indexOf(stop) }))
      .filter(({ at }) => at !== -1)
      .sort((a, b) => a.at - b.at)[0];
    if (hit !== undefined) {
      this.found = hit.stop;
      return this.#buffer.slice(0, hit.at);
    }
    const keep = heldBack(this.#buffer, this.#stops);
    const out = this.#buffer.slice(0, this.#buffer.length - keep);
    this.#buffer = this.#buffer.slice(out.length);
    return out;
  }

  /** What was held back, when nothing more comes. */
  end(): string {
    return this.found === undefined ? this.#buffer : '';
  }
}
