import { destination, pino } from 'pino';
import type { Config } from '../config/schema.js';
import type { Logger } from './logger.js';

/** Fields that never appear in a log, wherever they stand. */
const secretFields = [
  'authorization',
  'apiKey',
  'api_key',
  'token',
  'password',
  'secret',
  'headers.authorization',
];

/** The host's logger: JSON lines (or lines for people) on stderr, written as they come. */
export function createLogger(log: Config['log']): Logger {
  const options = {
    level: log.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: secretFields.flatMap((field) => (field.includes('.') ? [field] : [field, `*.${field}`])),
      censor: '***',
    },
  };
  if (log.format === 'pretty') return pino(options, { write: pretty });
  return pino(options, destination({ dest: 2, sync: true }));
}

/** One line for people: time, level, text and the fields that matter. */
function pretty(line: string): void {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const rest = Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
  const problem =
    typeof err === 'object' && err !== null && 'message' in err ? ` (${String(err.message)})` : '';
  process.stderr.write(
    `${clock} ${String(level)} ${typeof msg === 'string' ? msg : ''}${problem}${rest === '' ? '' : ` ${rest}`}\n`,
  );
}
