import type { Readable, Writable } from 'node:stream';

/** What a pipe of lines tells its owner. */
export interface LinePipeEvents {
  /** A line that is JSON. */
  onMessage(message: unknown): void;
  /** A line that is not, or is too long. The pipe goes on. */
  onGarbage(reason: string): void;
  /** Nothing more comes in. Called once. */
  onEnd(): void;
  /** Nothing more goes out: the reader is gone. Called at most once. */
  onBroken(error: Error): void;
}

const NEWLINE = 0x0a;

/** JSON values, one per line, in and out. */
export class LinePipe {
  #parts: Buffer[] = [];
  #size = 0;
  #skipping = false;
  #ended = false;
  #broken: Error | undefined;
  #outstanding = 0;

  constructor(
    private readonly input: Readable,
    private readonly output: Writable,
    private readonly events: LinePipeEvents,
    private readonly maxLineBytes: number,
  ) {}

  start(): void {
    this.output.on('error', this.#onBroken);
    this.input.on('data', this.#onData);
    this.input.on('end', this.#onEnd);
    this.input.on('close', this.#onEnd);
    this.input.on('error', this.#onEnd);
    if (this.input.readableEnded || this.input.destroyed) setImmediate(this.#onEnd);
  }

  /** Bytes that the reader has not taken. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Resolves when the line has been handed over, at the pace of the reader. */
  send(message: unknown): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken);
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    this.#outstanding += line.length;
    return new Promise((resolve, reject) => {
      this.output.write(line, (error) => {
        this.#outstanding -= line.length;
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** Stops listening. Errors of the output stay caught. */
  close(): void {
    this.#ended = true;
    this.input.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd);
    this.input.pause();
    this.#parts = [];
  }

  readonly #onBroken = (error: Error): void => {
    if (this.#broken) return;
    this.#broken = error;
    this.events.onBroken(error);
  };

  readonly #onEnd = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.events.onEnd();
  };

  readonly #onData = (chunk: Buffer | string): void => {
    let rest = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
      this.#take(rest.subarray(0, at));
      this.#line();
      rest = rest.subarray(at + 1);
    }
    this.#take(rest);
  };

  #take(part: Buffer): void {
    if (part.length === 0 || this.#skipping) return;
    this.#size += part.length;
    if (this.#size > this.maxLineBytes) {
      this.#skipping = true;
      this.#parts = [];
      this.events.onGarbage(`a line is longer than ${this.maxLineBytes} bytes`);
    } else this.#parts.push(part);
  }

  #line(): void {
    const text = Buffer.concat(this.#parts).toString('utf8').trim();
    this.#parts = [];
    this.#size = 0;
    const skipped = this.#skipping;
    this.#skipping = false;
    if (skipped || text === '') return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      this.events.onGarbage('a line is not JSON');
      return;
    }
    this.events.onMessage(message);
  }
}
