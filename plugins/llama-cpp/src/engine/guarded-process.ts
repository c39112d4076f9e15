import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { LineTail } from './line-tail.js';

/**
 * Runs "$@" in place of this shell, beside a watcher that holds the read end of a pipe from the owner. However the
 * owner ends, SIGKILL included, the kernel closes the pipe; the watcher then removes the private folder and kills
 * the whole process group, itself with it. It ignores the signals by which the owner ends the engine politely.
 */
const GUARD = `
folder=$1; shift
exec 3<&0 </dev/null
( trap '' TERM INT HUP
  while read -r _ <&3; do :; done
  rm -rf -- "$folder"
  kill -9 "-$$" ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;

export interface GuardedProcessOptions {
  file: string;
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** A folder of this process's own, removed when it is over. */
  folder: string;
  onLine?: (line: string) => void;
}

/** How a process ended: exactly one of code and signal is set, or neither when it could not be started. */
export interface ProcessExit {
  readonly code?: number;
  readonly signal?: string;
  /** Why it could not be started. */
  readonly failure?: Error;
}

/** A child process in a group of its own that cannot outlive this process. */
export class GuardedProcess {
  readonly pid: number | undefined;
  readonly tail: LineTail;
  /** Resolves when the process has ended and both of its output streams are read. Never rejects. */
  readonly exit: Promise<ProcessExit>;
  #over: ProcessExit | undefined;
  readonly #child;

  constructor(options: GuardedProcessOptions) {
    const guarded = process.platform !== 'win32';
    const [file, args] = guarded
      ? ['/bin/sh', ['-c', GUARD, 'guard', options.folder, options.file, ...options.args]]
      : [options.file, [...options.args]];
    this.#child = execa(file, args, {
      detached: guarded,
      cleanup: !guarded,
      extendEnv: false,
      env: options.env,
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
      buffer: false,
      reject: false,
      // The engine's files, core dumps included, belong into its private folder.
      cwd: options.folder,
    });
    this.pid = this.#child.pid;
    this.tail = new LineTail(200, options.onLine ?? (() => undefined));
    this.tail.follow(this.#child.stdout);
    this.tail.follow(this.#child.stderr);
    this.#child.stdin.on('error', () => undefined);
    this.exit = this.#watch();
  }

  async #watch(): Promise<ProcessExit> {
    const child = this.#child;
    if (this.pid !== undefined) await once(child, 'exit').catch(() => undefined);
    // Closing the pipe lets the watcher go, and with it whatever the engine left behind in its group.
    child.stdin.destroy();
    const result = await child;
    this.#over = {
      ...(result.exitCode === undefined ? {} : { code: result.exitCode }),
      ...(result.signal === undefined ? {} : { signal: result.signal }),
      ...(this.pid === undefined
        ? { failure: result instanceof Error ? result : new Error('not started') }
        : {}),
    };
    return this.#over;
  }

  get running(): boolean {
    return this.#over === undefined;
  }

  /**
   * Ends it: SIGTERM, soon again, SIGKILL to the group after two seconds more. Resolves when it is gone. An engine
   * that was left in the middle of a whole answer hangs at the first and leaves at the second; a host that stops has
   * less than a second for all of this.
   */
  async stop(): Promise<ProcessExit> {
    const pid = this.pid;
    if (pid === undefined) return this.exit;
    for (const [signal, target, wait] of [
      ['SIGTERM', pid, 300],
      ['SIGTERM', pid, 2_000],
      ['SIGKILL', process.platform === 'win32' ? pid : -pid, 5_000],
    ] as const) {
      if (!this.running) break;
      signalQuietly(target, signal);
      const timer = new AbortController();
      await Promise.race([
        this.exit,
        delay(wait, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      timer.abort();
    }
    return this.#over ?? { failure: new Error('it does not die') };
  }
}

function signalQuietly(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // It is already gone.
  }
}
