/** Waits until `check` returns something true; rejects with `what` after the deadline. */
export function until<T>(
  check: () => T | Promise<T>,
  what: string,
  timeoutMs?: number,
): Promise<NonNullable<T>>;

/** True while a process runs; a zombie does not. */
export function alive(pid: number): boolean;

/** All processes below one. */
export function descendants(pid: number): { readonly pid: number; readonly commandLine: string }[];

/** A host in a process of its own. */
export interface HostProcess {
  /** An empty folder that is its working directory and home. */
  readonly folder: string;
  readonly pid: number;
  readonly url: string;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stderr(): string;
  stdout(): string;
  kill(signal: NodeJS.Signals): boolean;
  /** SIGTERM, and SIGKILL after eight seconds; undefined when it had to be killed. */
  stop(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined>;
  hasModel(id: string): Promise<true>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

/** Starts `outrigger serve` with a configuration, on a free port, in an empty folder. */
export function startHost(
  config?: Readonly<Record<string, unknown>>,
  options?: { readonly env?: Readonly<Record<string, string>>; readonly args?: readonly string[] },
): Promise<HostProcess>;
