/** Structured log: JSON lines on stderr. Standard output is never written to. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** The same log with more fields on every line. */
  child(fields: Readonly<Record<string, unknown>>): Log;
}
