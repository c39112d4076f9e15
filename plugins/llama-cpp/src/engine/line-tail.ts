import type { Readable } from 'node:stream';

const MAX_LINE = 2_000;

/** Keeps the last lines of an engine's output, bounded in number and length, and hands each on as it comes. */
export class LineTail {
  readonly #lines: string[] = [];
  readonly #keep: number;
  readonly #onLine: (line: string) => void;

  constructor(keep: number, onLine: (line: string) => void) {
    this.#keep = keep;
    this.#onLine = onLine;
  }

  /** Reads a stream to its end. Two streams may feed one tail; each keeps its own unfinished line. */
  follow(stream: Readable): void {
    let partial = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const lines = (partial + chunk).split(/\r?\n/);
      // A line without an end must not grow without one.
      partial = (lines.pop() ?? '').slice(-MAX_LINE);
      for (const line of lines) this.#add(line);
    });
    stream.on('end', () => {
      this.#add(partial);
      partial = '';
    });
    // A broken pipe is the process's end, which its owner sees anyway.
    stream.on('error', () => undefined);
  }

  #add(raw: string): void {
    const line = raw.slice(0, MAX_LINE);
    if (line.trim() === '') return;
    this.#lines.push(line);
    if (this.#lines.length > this.#keep) this.#lines.shift();
    this.#onLine(line);
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** The last lines as one text. */
  text(count = this.#keep): string {
    return this.#lines.slice(-count).join('\n');
  }
}
