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
  // eslint-disable-next-line @typescript-eslint/unbound-method -- bound below, and put back as it was
  const original = stdout.write;
  const write = original.bind(stdout);
  const stream = new Writable({
    write(chunk: Buffer, encoding, done) {
      write(chunk, encoding, done);
    },
  });
  const onError = (error: Error): void => void stream.destroy(error);
  stdout.on('error', onError);
  stdout.write = stderr.write.bind(stderr);
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

/** An output that is nobody else's. */
export function unguarded(stream: Writable): GuardedStdout {
  return { stream, restore: () => undefined };
}
