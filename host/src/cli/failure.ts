/** A command could not do its work. The message is for people and needs no stack. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  /** 1: it failed. 2: it was called wrongly. */
  readonly exitCode: 1 | 2;
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string; exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
    this.hint = options.hint;
  }
}
