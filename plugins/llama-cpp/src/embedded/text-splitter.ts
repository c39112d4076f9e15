import { randomUUID } from 'node:crypto';

/** A piece of what a model wrote. */
export type Segment =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: 'tool-call'; id: string; name: string; arguments: string };

export interface SplitterOptions {
  /** Look for `<tool_call>` blocks. */
  tools: boolean;
  /** Look for `<think>` blocks. */
  reasoning: boolean;
  /** The answer begins inside such a block, because the prompt opened it. */
  begin?: 'tool-call' | 'reasoning' | undefined;
}

type Mode = 'text' | 'reasoning' | 'tool-call';

const CLOSING = { reasoning: '</think>', 'tool-call': '</tool_call>' } as const;

/** Splits a model's writing into text, reasoning and tool calls, holding back what may yet become a tag. */
export class TextSplitter {
  readonly #tags: readonly { open: string; mode: Exclude<Mode, 'text'> }[];
  #mode: Mode;
  #buffer = '';
  #calls = 0;
  /** Whitespace around blocks belongs to neither side; it is held until text follows. */
  #gap = '';
  #spoke = false;

  constructor({ tools, reasoning, begin }: SplitterOptions) {
    this.#tags = [
      ...(tools ? ([{ open: '<tool_call>', mode: 'tool-call' }] as const) : []),
      ...(reasoning ? ([{ open: '<think>', mode: 'reasoning' }] as const) : []),
    ];
    this.#mode = begin ?? 'text';
  }

  get mode(): Mode {
    return this.#mode;
  }

  get calls(): number {
    return this.#calls;
  }

  push(text: string): Segment[] {
    this.#buffer += text;
    const segments: Segment[] = [];
    while (this.#step(segments));
    return segments;
  }

  /** What was held back, when nothing more comes. A block without an end is given as it is. */
  end(): Segment[] {
    const segments: Segment[] = [];
    const rest = this.#buffer;
    this.#buffer = '';
    if (this.#mode === 'tool-call') {
      const call = parseCall(rest);
      if (call !== undefined) this.#found(call, segments);
      else this.#text(`<tool_call>${rest}`, segments);
    } else if (rest !== '') {
      if (this.#mode === 'text') this.#text(rest, segments);
      else segments.push({ type: 'reasoning', text: rest });
    }
    return segments;
  }

  /** Moves past one tag; false when more input is needed. */
  #step(segments: Segment[]): boolean {
    if (this.#mode === 'text') {
      const next = this.#tags
        .map((tag) => ({ ...tag, at: this.#buffer.indexOf(tag.open) }))
        .filter(({ at }) => at !== -1)
        .sort((a, b) => a.at - b.at)[0];
      if (next === undefined) {
        this.#text(this.#release(this.#tags.map(({ open }) => open)), segments);
        return false;
      }
      this.#text(this.#buffer.slice(0, next.at), segments);
      this.#buffer = this.#buffer.slice(next.at + next.open.length);
      this.#mode = next.mode;
      return true;
    }
    const closing = CLOSING[this.#mode];
    const end = this.#buffer.indexOf(closing);
    if (end === -1) {
      if (this.#mode === 'reasoning') {
        const text = this.#release([closing]);
        if (text !== '') segments.push({ type: 'reasoning', text });
      }
      return false;
    }
    const block = this.#buffer.slice(0, end);
    this.#buffer = this.#buffer.slice(end + closing.length);
    if (this.#mode === 'reasoning') {
      if (block !== '') segments.push({ type: 'reasoning', text: block });
    } else {
      const call = parseCall(block);
      if (call === undefined) this.#text(`<tool_call>${block}${closing}`, segments);
      else this.#found(call, segments);
    }
    this.#mode = 'text';
    this.#gap = '';
    this.#spoke = false;
    return true;
  }

  #found(call: { name: string; arguments: string }, segments: Segment[]): void {
    this.#calls++;
    segments.push({ type: 'tool-call', id: `call_${randomUUID().replaceAll('-', '')}`, ...call });
  }

  /** Takes from the buffer all that cannot be the beginning of one of the tags. */
  #release(tags: readonly string[]): string {
    const held = heldBack(this.#buffer, tags);
    const text = this.#buffer.slice(0, this.#buffer.length - held);
    this.#buffer = this.#buffer.slice(text.length);
    return text;
  }

  #text(raw: string, segments: Segment[]): void {
    // Between blocks and before the first word, white space is layout.
    let text = this.#gap + raw;
    if (!this.#spoke && this.#tags.length > 0) text = text.trimStart();
    const tail = this.#tags.length > 0 ? text.length - text.trimEnd().length : 0;
    this.#gap = text.slice(text.length - tail);
    text = text.slice(0, text.length - tail);
    if (text === '') return;
    this.#spoke = true;
    segments.push({ type: 'text', text });
  }
}

/** How many characters at the end of a text may be the beginning of one of the marks. */
export function heldBack(text: string, marks: readonly string[]): number {
  let held = 0;
  for (const mark of marks) {
    for (let length = Math.min(mark.length - 1, text.length); length > held; length--) {
      if (text.endsWith(mark.slice(0, length))) held = length;
    }
  }
  return held;
}

/** `{"name": …, "arguments": …}`; the arguments stay as written, without the layout around them. */
function parseCall(block: string): { name: string; arguments: string } | undefined {
  let call: unknown;
  try {
    call = JSON.parse(block);
  } catch {
    return undefined;
  }
  if (typeof call !== 'object' || call === null || !('name' in call) || typeof call.name !== 'string')
    return undefined;
  const start = /"(?:arguments|parameters)"\s*:\s*/.exec(block);
  const inner =
    start === null ? '{}' : block.slice(start.index + start[0].length, block.lastIndexOf('}')).trim();
  try {
    JSON.parse(inner);
    return { name: call.name, arguments: inner };
  } catch {
    // The arguments came before the name: writing them anew is the best that can be done.
    const args = 'arguments' in call ? call.arguments : 'parameters' in call ? call.parameters : {};
    return { name: call.name, arguments: JSON.stringify(args) };
  }
}
