import { Writable } from 'node:stream';

/** The real standard output, for one writer alone. */
export interface GuardedStdout {
  readonly stream: Writable;
  /** Gives the output back to everybody. */
  restore(): void;
}

/**
 * Takes standard output for the protocol. Whatever else the process writes there, a
 * dependency's console.log included, goes to standard error from now on: one stray line
 * among the messages breaks strict clients.
 */
export function guardStdout(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): GuardedStdout {
  const original = stdout.write;
  const write = original.bind(stdout) as (chunk: Buffer, done: (error?: Error | null) => void) => boolean;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      write(chunk, done);
    },
  });
  const onError = (error: Error): void => void stream.destroy(error);
  stdout.on('error', onError);
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  return {
    stream,
    restore() {
      stdout.write = original;
      stdout.off('error', onError);
      // A late EPIPE must not become an exception of the process.
      stdout.on('error', () => undefined);
    },
  };
}
