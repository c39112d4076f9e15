import { jsonLog } from '../json-log.js';
import type { Log } from '../log.js';

/** A line of a log, parsed. */
export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A log that keeps its lines. */
export interface RecordedLog extends Log {
  readonly lines: readonly LogLine[];
}

/** Most lines that are kept; older ones are dropped. */
const mostLines = 10_000;

/** A log that keeps what is written, for assertions. */
export function recordedLog(): RecordedLog {
  const lines: LogLine[] = [];
  const keep = (text: string): void => {
    lines.push(JSON.parse(text) as LogLine);
    if (lines.length > mostLines) lines.shift();
  };
  return { ...jsonLog(keep, 'debug', {}), lines };
}
