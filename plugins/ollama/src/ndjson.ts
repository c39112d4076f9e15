const newline = 0x0a;

/** Longest line in bytes; a line of Ollama's is a token, or a whole answer with its log probabilities. */
export const maxLineBytes = 32 * 1024 * 1024;

/** A line was longer than the bound. */
export class LineTooLong extends Error {
  constructor(limit: number) {
    super(`a line of more than ${limit} bytes`);
    this.name = 'LineTooLong';
  }
}

/**
 * Cuts bytes into lines of text. Characters that are split between reads come
 * out whole, because only whole lines are decoded. Ends of line are LF or CRLF;
 * empty lines are left out.
 */
export class LineSplitter {
  readonly #limit: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(limit = maxLineBytes) {
    this.#limit = limit;
  }

  /** Appends the lines that this chunk completes. Throws LineTooLong. */
  push(chunk: Buffer, lines: string[]): void {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      if (this.#restBytes + end - from > this.#limit) throw new LineTooLong(this.#limit);
      if (this.#restBytes === 0) add(lines, chunk.toString('utf8', from, end));
      else {
        this.#rest.push(chunk.subarray(from, end));
        add(lines, this.#takeRest());
      }
      from = end + 1;
    }
    if (from === chunk.length) return;
    this.#rest.push(from === 0 ? chunk : chunk.subarray(from));
    this.#restBytes += chunk.length - from;
    if (this.#restBytes > this.#limit) throw new LineTooLong(this.#limit);
  }

  /** The last line when it had no end; undefined when nothing is left. */
  rest(): string | undefined {
    const text = this.#takeRest().trim();
    return text === '' ? undefined : text;
  }

  #takeRest(): string {
    const [only] = this.#rest;
    const bytes = this.#rest.length === 1 && only !== undefined ? only : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return bytes.toString('utf8');
  }
}

function add(lines: string[], line: string): void {
  // JSON.parse takes the carriage return of CRLF for white space; only blank lines must go.
  if (line.length > 1 || (line !== '' && line !== '\r')) lines.push(line);
}
