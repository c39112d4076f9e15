/** One thing wrong with the configuration. */
export interface ConfigProblem {
  /** Dotted name of the option, such as `server.port`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** Line in the file, counted from 1, where the file is to blame. */
  readonly line?: number;
  /** What to do about it. */
  readonly hint?: string;
  /** The environment variable or flag to blame, where it is not the file. */
  readonly origin?: string;
}

/** The configuration cannot be used. Carries everything that is wrong at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  /** Path of the file that was read, where there was one. */
  readonly file: string | undefined;

  constructor(problems: readonly ConfigProblem[], file?: string) {
    super(problems.map((problem) => describeProblem(problem, file)).join('\n'));
    this.problems = problems;
    this.file = file;
  }
}

/** One line for people: `outrigger.yaml:3: server.prot: unknown option; did you mean "port"?` */
export function describeProblem(problem: ConfigProblem, file?: string): string {
  const place =
    problem.origin ?? (problem.line !== undefined ? `${file ?? 'configuration'}:${problem.line}` : file);
  const parts = [place, problem.path === '' ? undefined : problem.path, problem.message];
  const line = parts.filter((part) => part !== undefined).join(': ');
  return problem.hint === undefined ? line : `${line}; ${problem.hint}`;
}
