import { checkTogether } from './checks.js';
import { ConfigError, describeProblem } from './config-error.js';
import type { LoadedConfig } from './load.js';
import { dotted } from './paths.js';
import { reachable, type Reachable } from './reachable.js';
import type { Config } from './schema.js';

/** A configuration and the way to read it again, with the same flags and environment. */
export interface ConfigOrigin {
  readonly loaded: LoadedConfig;
  /** Throws a ConfigError with everything that is wrong. */
  readonly load: () => Promise<LoadedConfig>;
}

/** A further configuration that may be taken. */
export interface NextConfig extends Reachable {
  readonly loaded: LoadedConfig;
}

/** Where the configuration in force comes from; reads it again without taking it. */
export class ConfigSource {
  private taken: LoadedConfig;

  constructor(
    private readonly origin: ConfigOrigin,
    /** What the host runs with; differs from what was read where that needs a restart. */
    private running: Config = origin.loaded.config,
  ) {
    this.taken = origin.loaded;
  }

  /** Path of the file in force; undefined when there is none. */
  get file(): string | undefined {
    return this.taken.file;
  }

  /** Files whose change changes the configuration. */
  get files(): readonly string[] {
    return this.taken.files;
  }

  /** What the host runs with. */
  get config(): Config {
    return this.running;
  }

  /** Reads the configuration again. Throws a ConfigError when it cannot be taken. */
  async read(): Promise<NextConfig> {
    const loaded = await this.origin.load();
    if (this.taken.file !== undefined && loaded.file !== this.taken.file) {
      const hint = 'put it back; to run without it, start the host again';
      throw new ConfigError([{ path: '', message: 'is gone', hint }], this.taken.file);
    }
    // Cut short by a full disk or by an editor at work: not what anybody wants to run with.
    if (loaded.empty === true && this.taken.empty !== true) {
      throw new ConfigError(
        [{ path: '', message: 'is empty', hint: 'write `{}` to mean the defaults' }],
        loaded.file,
      );
    }
    const next = reachable(this.running, loaded.config);
    // The listener stays as it is, so it is that one which the new keys have to fit.
    const [problem] = checkTogether(next.config, []);
    if (problem !== undefined) {
      const { at, ...told } = problem;
      throw new ConfigError([{ ...told, path: dotted(at) }], loaded.file);
    }
    return { ...next, loaded };
  }

  /** From here on this one is in force. */
  take({ loaded, config }: NextConfig): void {
    this.taken = loaded;
    this.running = config;
  }
}

/** All that is wrong with a configuration, as one line per problem. */
export function problemLines(thrown: unknown): readonly string[] {
  if (thrown instanceof ConfigError) {
    return thrown.problems.map((problem) => describeProblem(problem, thrown.file));
  }
  return [thrown instanceof Error ? thrown.message : String(thrown)];
}
