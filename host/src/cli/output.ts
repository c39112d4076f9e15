import type { Writable } from 'node:stream';

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** A kind of emphasis. */
export type Style = keyof typeof styles;

/** A place to write to that knows whether a terminal is behind it. */
export type Sink = Writable & { readonly isTTY?: boolean };

/** How a command may write. */
export interface OutputOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Results go to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly #env: OutputOptions['env'];

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.stdout = options.stdout;
    this.stderr = options.stderr;
    this.#env = options.env;
  }

  /** One line of the result. */
  line(text = ''): void {
    this.stdout.write(`${text}\n`);
  }

  /** The whole result as JSON. */
  value(value: unknown): void {
    this.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** One JSON object on one line, for results that come bit by bit. */
  jsonLine(value: unknown): void {
    this.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** One line beside the result; `--quiet` leaves it out. */
  note(text: string): void {
    if (!this.quiet) this.stderr.write(`${text}\n`);
  }

  /** A line that the next one overwrites on a terminal; elsewhere nothing. */
  progress(text: string): void {
    if (!this.quiet && this.stderr.isTTY === true) this.stderr.write(`\r\u001b[K${text}`);
  }

  /** An error; never left out. */
  problem(message: string, hint?: string): void {
    if (this.json) {
      this.stderr.write(
        `${JSON.stringify({ error: { message, ...(hint === undefined ? {} : { hint }) } })}\n`,
      );
      return;
    }
    this.stderr.write(`${this.style('red', 'error', this.stderr)}: ${message}\n`);
    if (hint !== undefined) this.stderr.write(`  ${hint}\n`);
  }

  /** Text with emphasis where the sink shows it: on a terminal, unless NO_COLOR is set. */
  style(style: Style, text: string, sink: Sink = this.stdout): string {
    const { NO_COLOR: no, FORCE_COLOR: force, TERM: term } = this.#env;
    const wanted =
      force !== undefined && force !== '' ? force !== '0' : sink.isTTY === true && term !== 'dumb';
    if (!wanted || (no !== undefined && no !== '')) return text;
    return `\u001b[${styles[style]}m${text}\u001b[0m`;
  }

  /** Rows under headings, columns aligned. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void {
    const clean = rows.map((row) => row.map(printable));
    const widths = headings.map((heading, i) =>
      Math.max(heading.length, ...clean.map((row) => row[i]?.length ?? 0)),
    );
    const join = (row: readonly string[]) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd();
    this.line(this.style('dim', join(headings)));
    for (const row of clean) this.line(join(row));
  }
}

/** Text without control characters, so that a name from elsewhere cannot steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** Text of a model: as `printable`, but with its own lines and tabs. */
export function printableLines(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}
