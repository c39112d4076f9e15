import { EngineError } from './errors.js';

/** One server-sent event. */
export interface SseEvent {
  /** The `event:` field, empty when absent. */
  readonly event: string;
  /** The `data:` lines, joined by newlines. */
  readonly data: string;
  /** False when the stream ended before the blank line that closes an event. */
  readonly closed: boolean;
}

/**
 * Reads server-sent events from bytes. Accepts CR, LF and CRLF in any mixture, comments, `data:` with and without a
 * space, characters split between chunks, and an event cut off by the end of the stream. Each item holds the events
 * of one chunk.
 *
 * @param maxEventLength an event longer than this many characters ends reading with an error.
 */
export async function* readSse(
  bytes: AsyncIterable<Uint8Array>,
  maxEventLength = 16 * 1024 * 1024,
): AsyncGenerator<readonly SseEvent[], void, void> {
  const decoder = new TextDecoder('utf-8');
  const parser = new SseParser(maxEventLength);
  for await (const chunk of bytes) {
    const events = parser.push(decoder.decode(chunk, { stream: true }));
    if (events.length > 0) yield events;
  }
  const rest = [...parser.push(decoder.decode()), ...parser.end()];
  if (rest.length > 0) yield rest;
}

class SseParser {
  #buffer = '';
  #data: string[] = [];
  #event = '';
  #length = 0;
  /** The last chunk ended in CR: a LF at the start of the next one belongs to it. */
  #afterCr = false;
  readonly #maxEventLength: number;

  constructor(maxEventLength: number) {
    this.#maxEventLength = maxEventLength;
  }

  push(text: string): SseEvent[] {
    if (text === '') return [];
    if (this.#afterCr && text.startsWith('\n')) text = text.slice(1);
    this.#afterCr = text.endsWith('\r');
    const buffer = this.#buffer + text;
    const events: SseEvent[] = [];
    let start = 0;
    for (;;) {
      const end = lineEnd(buffer, start);
      if (end === -1) break;
      this.#line(buffer.slice(start, end), events);
      start = end + (buffer.startsWith('\r\n', end) ? 2 : 1);
    }
    this.#buffer = buffer.slice(start);
    this.#guard(this.#buffer.length + this.#length);
    return events;
  }

  end(): SseEvent[] {
    const events: SseEvent[] = [];
    if (this.#buffer !== '') this.#line(this.#buffer, events);
    this.#buffer = '';
    if (this.#data.length > 0)
      events.push({ event: this.#event, data: this.#data.join('\n'), closed: false });
    this.#data = [];
    return events;
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0)
        events.push({ event: this.#event, data: this.#data.join('\n'), closed: true });
      this.#data = [];
      this.#event = '';
      this.#length = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#data.push(value);
      this.#length += value.length;
      this.#guard(this.#length);
    } else if (field === 'event') {
      this.#event = value;
    }
  }

  #guard(length: number): void {
    if (length <= this.#maxEventLength) return;
    throw new EngineError(
      'engine_error',
      `the engine sent an event of more than ${this.#maxEventLength} characters`,
    );
  }
}

/** Index of the next CR or LF, or -1. */
function lineEnd(text: string, from: number): number {
  const lf = text.indexOf('\n', from);
  const cr = text.indexOf('\r', from);
  if (cr === -1) return lf;
  return lf === -1 ? cr : Math.min(lf, cr);
}
