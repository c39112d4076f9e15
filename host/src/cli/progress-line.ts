import { printable, type Sink } from './output.js';

/** How often the line is drawn at most, in milliseconds. */
const everyMs = 80;
const barWidth = 16;
/** Bars shown at the same time; further ones are counted. */
const maxBars = 3;

/**
 * What is under way, in one line at the end of a terminal that is drawn over and
 * over; whole lines go above it. Without a terminal there are the whole lines only.
 */
export class ProgressLine {
  private readonly bars = new Map<string, string>();
  private drawn = false;
  private drawnAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sink: Sink & { readonly columns?: number },
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Writes whole lines. */
  say(text: string): void {
    this.wipe();
    this.sink.write(`${text}\n`);
    this.draw();
  }

  /** Shows how far something has come; undefined where that is not known. */
  show(name: string, doing: string, fraction: number | undefined): void {
    if (this.sink.isTTY !== true) return;
    this.bars.set(
      name,
      `${printable(name)} ${printable(doing)}${fraction === undefined ? '' : bar(fraction)}`,
    );
    const wait = this.drawnAt + everyMs - this.now();
    if (wait <= 0) this.draw();
    else this.timer ??= setTimeout(() => this.draw(), wait).unref();
  }

  /** It is over. */
  remove(name: string): void {
    if (!this.bars.delete(name)) return;
    this.wipe();
    this.draw();
  }

  /** Nothing is shown any more. */
  clear(): void {
    this.bars.clear();
    this.wipe();
  }

  private draw(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.bars.size === 0) return;
    const shown = [...this.bars.values()].slice(0, maxBars).join('   ');
    const more = this.bars.size > maxBars ? `   and ${this.bars.size - maxBars} more` : '';
    // A line that wraps could not be drawn over. Some terminals say that they have no width.
    const width = Math.max(20, (this.sink.columns || 80) - 1);
    const text = `  ${shown}${more}`.slice(0, width);
    this.sink.write(`\r\u001b[K${text}`);
    this.drawn = true;
    this.drawnAt = this.now();
  }

  private wipe(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.drawn) this.sink.write('\r\u001b[K');
    this.drawn = false;
  }
}

function bar(fraction: number): string {
  const share = Math.min(1, Math.max(0, fraction));
  const full = Math.round(share * barWidth);
  return ` [${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${Math.floor(share * 100)} %`;
}
