import type { Log } from './log.js';

const levels = { debug: 10, info: 20, warn: 30, error: 40, silent: 50 } as const;

/** How much is logged. */
export type LogLevel = keyof typeof levels;

/** Longest line in characters; what is longer is cut and says so. */
const longestLine = 16_384;

/** Reads a level by its name; anything else is `info`. */
export function logLevel(name: string | undefined): LogLevel {
  const wanted = name?.toLowerCase();
  return wanted !== undefined && Object.hasOwn(levels, wanted) ? (wanted as LogLevel) : 'info';
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) {
    return { name: value.name, message: value.message, stack: value.stack, cause: value.cause };
  }
  return value;
}

function line(fields: Readonly<Record<string, unknown>>): string {
  try {
    const json = JSON.stringify(fields, plain);
    if (json.length <= longestLine) return json;
  } catch {
    // Circular, or a getter that throws: the fields are not worth losing the message.
  }
  const { time, level, msg, plugin, instance, requestId } = fields;
  const message = typeof msg === 'string' ? msg.slice(0, longestLine / 2) : '';
  return JSON.stringify({ time, level, msg: message, plugin, instance, requestId, cut: true });
}

/** A log that writes one JSON object per line; `fields` stand on every line. */
export function jsonLog(
  write: (line: string) => void,
  level: LogLevel,
  fields: Readonly<Record<string, unknown>>,
): Log {
  const at =
    (name: Exclude<LogLevel, 'silent'>) =>
    (message: string, more?: Readonly<Record<string, unknown>>): void => {
      if (levels[name] < levels[level]) return;
      write(`${line({ time: new Date().toISOString(), level: name, msg: message, ...fields, ...more })}\n`);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => jsonLog(write, level, { ...fields, ...more }),
  };
}

/** The log of a plugin process: standard error, level from LOG_LEVEL. */
export function stderrLog(fields: Readonly<Record<string, unknown>>): Log {
  return jsonLog((text) => void process.stderr.write(text), logLevel(process.env['LOG_LEVEL']), fields);
}
