import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type * as Execa from 'execa';
import type { Logger } from '../telemetry/logger.js';
import { forwardLines, type LineTail } from './process-output.js';

/** How to start a plugin as a child of the host. */
export interface ProcessSpec {
  readonly plugin: string;
  /** Program and arguments; no shell reads them. */
  readonly command: readonly string[];
  /** The child's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

/** How a process ended. */
export interface ProcessExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** One line: exit code or signal and the last words on stderr. */
  readonly reason: string;
}

/** How long output may still come after the exit, in milliseconds. */
const lastWordsMs = 250;

/**
 * Leads the group for the plugin, beside a guard: when the host is gone, standard
 * input ends, and what is left of the group 1.8 seconds later is killed. The guard
 * is a member of the group, so the group's number cannot have been given to
 * anybody else. A plugin that ends when its standard input ends is gone before.
 * The shell ends as the plugin does: with its status or by its signal. On
 * descriptor 3 it tells the number of the plugin's own process.
 */
const guardScript = `
exec 4<&0
( exec 3>&-; trap "" TERM INT HUP; while read -r _ <&4; do :; done; sleep 1.8 || sleep 1; kill -9 0 ) </dev/null >/dev/null 2>&1 &
guard=$!
"$@" <&4 3>&- 4<&- &
plugin=$!
exec 4<&- </dev/null
trap : TERM INT HUP
echo "$plugin" >&3
exec 3>&-
while :; do
  wait "$plugin" 2>/dev/null
  status=$?
  kill -0 "$plugin" 2>/dev/null || break
done
kill -9 "$guard"
wait "$guard" 2>/dev/null
if [ "$status" -gt 128 ]; then
  trap - TERM INT HUP
  kill -"$((status - 128))" $$
fi
exit "$status"
`;
const shell = '/bin/sh';

/** Statuses of a shell that could not start the program, and what they mean. */
const shellStatus: Readonly<Record<number, string>> = {
  126: 'it cannot be executed',
  127: 'it was not found',
};

let library: typeof Execa | undefined;

/** Loads what starts processes; once, before the first: it takes a while, and the host listens meanwhile. */
export async function prepareProcesses(): Promise<void> {
  library ??= await import('execa');
}

/** Starts the process as the leader of a group of its own; guarded where there is a shell. */
function spawnGroup(spec: ProcessSpec, guarded: boolean) {
  const command = guarded ? [shell, '-c', guardScript, 'guard', ...spec.command] : spec.command;
  const [program, ...args] = command;
  if (library === undefined) throw new Error('prepareProcesses comes first');
  return library.execa(program ?? '', args, {
    reject: false,
    buffer: false,
    stdio: guarded ? ['pipe', 'pipe', 'pipe', 'pipe'] : ['pipe', 'pipe', 'pipe'],
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: { ...spec.env },
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  });
}

/** By what numbers a process that the host started is known to the system. */
export interface ProcessNumbers {
  /** The group; all of it is ended with the plugin. */
  readonly group: number | undefined;
  /** The plugin's own process; undefined as long as it is not known. */
  readonly pid: number | undefined;
}

/**
 * A plugin process and the group that it is in. The host owns it: it is reaped, and
 * nothing of its group is left when `exited` resolves. Its stdin stays open for
 * as long as the host lives; end of file tells it that the host is gone.
 */
export class PluginProcess implements ProcessNumbers {
  readonly group: number | undefined;
  pid: number | undefined;
  readonly exited: Promise<ProcessExit>;
  private readonly child: ReturnType<typeof spawnGroup>;
  private readonly tail: LineTail;
  private ended = false;

  constructor(spec: ProcessSpec, log: Logger) {
    const guarded = existsSync(shell);
    this.child = spawnGroup(spec, guarded);
    this.group = this.child.pid;
    if (!guarded) this.pid = this.group;
    const guard = this.child.stdio[3] as Readable | undefined;
    guard?.once('data', (told: Buffer) => {
      this.pid = Number(told.toString());
    });
    this.child.stdin.on('error', () => undefined);
    const tail = forwardLines(this.child.stderr, log);
    this.tail = tail;
    // Nothing is ever read from a plugin's stdout but for the log.
    forwardLines(this.child.stdout, log);
    this.exited = this.end().then((how) => describeExit(how, spec, tail));
  }

  /** Sends SIGTERM to the group, SIGKILL after the grace, and waits until the process is reaped. */
  async stop(graceMs: number): Promise<ProcessExit> {
    this.killGroup('SIGTERM');
    const timer = setTimeout(() => {
      this.kill();
    }, graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The last telling line on its stderr so far; empty when there was none. */
  lastWords(): string {
    return this.tail.last();
  }

  /** Kills the group at once. */
  kill(): void {
    this.killGroup('SIGKILL');
  }

  /** Ends what the process leaves behind and lets its last output arrive. */
  private async end(): Promise<Ending> {
    // Not the end of its output: a grandchild may hold that open for ever.
    const ending = await new Promise<Ending>((resolve) => {
      this.child.once('exit', (code, signal) => {
        resolve({ code: code ?? undefined, signal: signal ?? undefined });
      });
      // A program that cannot be started has no exit.
      void this.child.then(({ exitCode, signal, code }) => {
        resolve({ code: exitCode, signal, failure: code });
      });
    });
    this.kill();
    this.ended = true;
    const { stdin, stdout, stderr } = this.child;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lastWordsMs);
      void this.child.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    return ending;
  }

  private killGroup(signal: NodeJS.Signals): void {
    // A number whose owner was reaped may belong to a stranger.
    if (this.group === undefined || this.ended) return;
    try {
      process.kill(-this.group, signal);
    } catch {
      // The group is gone already.
    }
  }
}

interface Ending {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started. */
  readonly failure?: string | undefined;
}

function describeExit({ code, signal, failure }: Ending, spec: ProcessSpec, tail: LineTail): ProcessExit {
  const program = JSON.stringify(spec.command[0] ?? '');
  const unstarted = code === undefined ? undefined : shellStatus[code];
  const last = tail.last();
  if (signal === undefined && code === undefined) {
    return { code, signal, reason: `could not be started: ${program}: ${failure ?? 'unknown reason'}` };
  }
  if (unstarted !== undefined && last.startsWith('guard:')) {
    return { code, signal, reason: `could not be started: ${program}: ${unstarted}` };
  }
  const how = signal === undefined ? `exited with status ${code ?? ''}` : `was ended by ${signal}`;
  return { code, signal, reason: last === '' || code === 0 ? how : `${how}; it last said: ${last}` };
}
