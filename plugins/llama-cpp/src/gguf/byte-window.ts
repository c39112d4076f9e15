import type { FileHandle } from 'node:fs/promises';

/** The file is not a readable GGUF file; the message says why in one sentence. */
export class GgufError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'GgufError';
  }
}

const WINDOW = 1024 * 1024;

/** Reads a file from front to back through a window of fixed size, and refuses to read past its end or the limit. */
export class ByteWindow {
  readonly #file: FileHandle;
  readonly #end: number;
  #window = Buffer.alloc(0);
  /** Position of the window's first byte in the file. */
  #start = 0;
  /** Position of the next byte to read. */
  #position = 0;

  /** @param end first position that must not be read: the file's size, or less. */
  constructor(file: FileHandle, end: number) {
    this.#file = file;
    this.#end = end;
  }

  get position(): number {
    return this.#position;
  }

  /** The next bytes; valid until the next call. At most one window's length. */
  async take(length: number): Promise<Buffer> {
    this.#check(length);
    const offset = this.#position - this.#start;
    if (offset < 0 || offset + length > this.#window.length) {
      const size = Math.min(Math.max(WINDOW, length), this.#end - this.#position);
      const window = Buffer.alloc(size);
      const { bytesRead } = await this.#file.read(window, 0, size, this.#position);
      if (bytesRead < length) throw new GgufError('the file ends in the middle of its header');
      this.#window = window.subarray(0, bytesRead);
      this.#start = this.#position;
    }
    const from = this.#position - this.#start;
    this.#position += length;
    return this.#window.subarray(from, from + length);
  }

  skip(length: number): void {
    this.#check(length);
    this.#position += length;
  }

  async u32(): Promise<number> {
    return (await this.take(4)).readUInt32LE();
  }

  /** A 64-bit number that must be a size or a count. */
  async count(what: string, max: number): Promise<number> {
    const value = (await this.take(8)).readBigUInt64LE();
    if (value > BigInt(max))
      throw new GgufError(`${what}: ${value} is more than the ${max} that can be believed`);
    return Number(value);
  }

  #check(length: number): void {
    if (this.#position + length > this.#end) throw new GgufError('the file ends in the middle of its header');
  }
}
