import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { Logger } from '../telemetry/logger.js';

/** The last lines of a stream. */
export interface LineTail {
  /** The last lines that were kept, the oldest first. */
  lines(): readonly string[];
  /** The last telling line, shortened to one line; empty when there was none. */
  last(): string;
}

const maxLine = 8 * 1024;
const maxLines = 50;
/** Per second and stream: lines that reach the log, and bytes that are read at all. */
const maxLinesPerSecond = 200;
const maxBytesPerSecond = 8 * 1024 * 1024;

/**
 * Reads a child's output line by line into the log and keeps the last lines.
 * Lines of the SDK's own form keep their level and fields. A line without end is
 * cut and a flood is dropped, then held back, so that a noisy child costs the
 * host neither memory nor time.
 */
export function forwardLines(stream: Readable, log: Logger): LineTail {
  const decoder = new StringDecoder('utf8');
  const kept: string[] = [];
  let rest = '';
  let second = { until: 0, lines: 0, bytes: 0 };
  const take = (line: string): void => {
    if (line.trim() === '') return;
    kept.push(line);
    if (kept.length > maxLines) kept.shift();
    second.lines += 1;
    if (second.lines <= maxLinesPerSecond) report(line, log);
  };
  const begin = (now: number): void => {
    const dropped = second.lines - maxLinesPerSecond;
    second = { until: now + 1000, lines: 0, bytes: 0 };
    if (dropped > 0) log.warn({ dropped }, 'plugin output came too fast; lines were dropped');
  };
  stream.on('data', (chunk: Buffer) => {
    const now = performance.now();
    if (now >= second.until) begin(now);
    second.bytes += chunk.length;
    if (second.bytes > maxBytesPerSecond && !stream.isPaused()) {
      stream.pause();
      setTimeout(() => stream.resume(), second.until - now).unref();
    }
    rest += decoder.write(chunk);
    for (;;) {
      const end = rest.indexOf('\n');
      if (end < 0) break;
      take(rest.slice(0, Math.min(end, maxLine)));
      rest = rest.slice(end + 1);
    }
    if (rest.length > maxLine) {
      take(rest.slice(0, maxLine));
      rest = '';
    }
  });
  stream.on('end', () => {
    take(rest.slice(0, maxLine));
    rest = '';
  });
  stream.on('error', () => undefined);
  return {
    lines: () => kept,
    last: () => (kept.length === 0 ? '' : tell(kept)),
  };
}

interface LogLine {
  level?: unknown;
  msg?: unknown;
}

function parse(line: string): (LogLine & Record<string, unknown>) | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogLine & Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function report(line: string, log: Logger): void {
  const parsed = parse(line);
  if (parsed === undefined) {
    log.info({ output: line }, 'plugin output');
    return;
  }
  // The host's own lines carry the plugin's name and the time already; twice the same key is no sound JSON.
  const { level, msg, time: _time, plugin: _plugin, ...fields } = parsed;
  const text = typeof msg === 'string' ? msg : 'plugin log';
  if (level === 'error' || level === 'fatal') log.error(fields, text);
  else if (level === 'warn') log.warn(fields, text);
  else if (level === 'debug' || level === 'trace') log.debug(fields, text);
  else log.info(fields, text);
}

/** Levels at which a plugin tells that all is well. */
const calm: ReadonlySet<unknown> = new Set(['info', 'debug', 'trace']);

/** The last line that says something; an error line of the SDK's form is preferred. */
function tell(lines: readonly string[]): string {
  const read = lines.map((line) => ({ line, parsed: parse(line) }));
  for (const { parsed } of read.toReversed()) {
    if (parsed?.level === 'error' && typeof parsed.msg === 'string') return shorten(parsed.msg);
  }
  const telling = read.filter(({ parsed }) => !calm.has(parsed?.level));
  // A runtime that dies of an exception ends with its version and a blank; the message stands above.
  const last =
    telling.findLast(({ line }) => /error|exception|cannot|failed|refused/i.test(line)) ?? telling.at(-1);
  if (last === undefined) return '';
  return shorten(typeof last.parsed?.msg === 'string' ? last.parsed.msg : last.line);
}

function shorten(line: string): string {
  const plain = line.trim();
  return plain.length > 300 ? `${plain.slice(0, 300)}…` : plain;
}
