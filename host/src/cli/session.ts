import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { ConfigError, describeProblem } from '../config/config-error.js';
import type { LoadedConfig } from '../config/load.js';
import { CliFailure } from './failure.js';
import type { CreateHost } from './host-port.js';
import { Output, type Sink } from './output.js';

/** What surrounds a command. Nothing else of the process is read by one. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string | undefined;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Absolute path of the program, for configuration of clients. */
  readonly program: string;
  readonly execPath: string;
  /** Loads the composition root; only commands that run a host do. */
  readonly loadHost: () => Promise<CreateHost>;
}

/** Options every command takes. */
export interface GlobalOptions {
  readonly config?: string;
  readonly directory?: string;
  readonly url?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly set?: readonly string[];
}

/** One run of one command. */
export class Session {
  readonly around: Surroundings;
  readonly options: GlobalOptions;
  readonly out: Output;
  /** Directory that relative paths mean. */
  readonly cwd: string;

  constructor(around: Surroundings, options: GlobalOptions) {
    this.around = around;
    this.options = options;
    this.cwd = resolve(around.cwd, options.directory ?? '.');
    this.out = new Output({
      stdout: around.stdout,
      stderr: around.stderr,
      env: around.env,
      json: options.json === true,
      quiet: options.quiet === true,
    });
  }

  /**
   * Loads the configuration. `flags` are options of the command by dotted name;
   * `defaults` are what the command prefers where nobody says otherwise.
   */
  async load(
    flags: Readonly<Record<string, unknown>> = {},
    defaults: Readonly<Record<string, unknown>> = {},
  ): Promise<LoadedConfig> {
    const { loadConfig } = await import('../config/load.js');
    const { env, home } = this.around;
    const set = (this.options.set ?? []).map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at < 1)
        throw new CliFailure(`--set ${text} has no "="`, {
          exitCode: 2,
          hint: 'write --set server.port=8080',
        });
      return [text.slice(0, at), text.slice(at + 1)];
    });
    return loadConfig({
      file: this.options.config,
      flags: { ...Object.fromEntries(set), ...flags },
      defaults,
      env,
      cwd: this.cwd,
      home,
    });
  }

  /** Logs of a host inside another command: for people on a terminal, and only what is wrong. */
  get quietLogs(): Readonly<Record<string, unknown>> {
    return { 'log.level': 'warn', 'log.format': this.around.stderr.isTTY === true ? 'pretty' : 'json' };
  }

  /** Tells why a command failed and returns its exit code. */
  report(thrown: unknown): number {
    if (thrown instanceof ConfigError) {
      const lines = thrown.problems.map((problem) => describeProblem(problem, thrown.file));
      if (this.out.json) this.out.problem('the configuration cannot be used', lines.join('\n'));
      else for (const line of lines) this.out.problem(line);
      return thrown.problems.every(({ origin }) => origin?.startsWith('flag') === true) ? 2 : 1;
    }
    if (thrown instanceof CliFailure) {
      this.out.problem(thrown.message, thrown.hint);
      return thrown.exitCode;
    }
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.out.problem(error.message);
    if (this.around.env['OUTRIGGER_DEBUG'] !== undefined) this.around.stderr.write(`${error.stack ?? ''}\n`);
    return 1;
  }
}
