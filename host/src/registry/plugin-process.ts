import { execa } from 'execa';
import type { Logger } from '../telemetry/logger.js';
import { forwardLines, type LineTail } from './process-output.js';

/** How to start a plugin as a child of the host. */
export interface ProcessSpec {
  readonly plugin: string;
  /** Program and arguments; no shell is involved. */
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

/** Starts the process as the leader of a group of its own. */
function spawnGroup(spec: ProcessSpec) {
  const [program, ...args] = spec.command;
  return execa(program ?? '', args, {
    reject: false,
    buffer: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: { ...spec.env },
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  });
}

/**
 * A plugin process and the group it leads. The host owns it: it is reaped, and
 * nothing of its group is left when `stop` resolves. Its stdin stays open for
 * as long as the host lives; end of file tells it that the host is gone.
 */
export class PluginProcess {
  readonly pid: number | undefined;
  readonly exited: Promise<ProcessExit>;
  private readonly child: ReturnType<typeof spawnGroup>;
  private readonly tail: LineTail;
  private ended = false;

  constructor(spec: ProcessSpec, log: Logger) {
    this.child = spawnGroup(spec);
    this.pid = this.child.pid;
    this.child.stdin.on('error', () => undefined);
    this.tail = forwardLines(this.child.stderr, log);
    // Nothing is ever read from a plugin's stdout but for the log.
    forwardLines(this.child.stdout, log);
    this.exited = this.child.then((result) => {
      this.ended = true;
      this.killGroup('SIGKILL');
      return describeExit(result, this.tail);
    });
  }

  /** Sends SIGTERM to the group, SIGKILL after the grace, and waits until the process is reaped. */
  async stop(graceMs: number): Promise<ProcessExit> {
    if (!this.ended) {
      this.child.stdin.end();
      this.killGroup('SIGTERM');
    }
    const timer = setTimeout(() => {
      this.killGroup('SIGKILL');
    }, graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills the group at once. */
  kill(): void {
    this.killGroup('SIGKILL');
  }

  private killGroup(signal: NodeJS.Signals): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}

function describeExit(
  result: {
    readonly exitCode?: number | undefined;
    readonly signal?: string | undefined;
    readonly code?: string | undefined;
  },
  tail: LineTail,
): ProcessExit {
  const last = tail.last();
  const how =
    result.signal !== undefined
      ? `was ended by ${result.signal}`
      : result.exitCode !== undefined
        ? `exited with status ${result.exitCode}`
        : `could not be started (${result.code ?? 'unknown reason'})`;
  return {
    code: result.exitCode,
    signal: result.signal,
    reason: last === '' ? how : `${how}; it last said: ${last}`,
  };
}
