import type { Readable, Writable } from 'node:stream';
import type { Logger } from '../../telemetry/logger.js';
import { HostLink } from './bridge-link.js';
import { systemClock, type Clock } from './clock.js';
import { LinePipe } from './line-pipe.js';
import { defaultLimits } from './limits.js';
import { guardStdout, unguarded } from './stdout-guard.js';

/** What the bridge needs. */
export interface BridgeOptions {
  /** `/mcp` of a running host. */
  readonly url: string;
  readonly logger: Logger;
  /** Sent with every request, for example `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: those of the process. Standard output of the process is then guarded against other writers. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly signal?: AbortSignal;
  /** How long calls may go on after the end of the input. */
  readonly graceMs?: number;
  readonly clock?: Clock;
}

/**
 * Serves standard input and output with a host that runs already: every message goes to its
 * `/mcp` and every answer comes back, progress and change notices included, in the revision
 * that the client speaks. Resolves as `serveMcpStdio` does.
 */
export async function bridgeMcpStdio(options: BridgeOptions): Promise<void> {
  const { logger, signal } = options;
  const clock = options.clock ?? systemClock;
  const guard =
    options.stdout === undefined ? guardStdout(process.stdout, process.stderr) : unguarded(options.stdout);
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const link = new HostLink({
    url: options.url,
    logger,
    clock,
    headers: options.headers ?? {},
    deliver: (message) => pipe.send(message).catch(() => undefined),
  });
  let callOff: (() => void) | undefined;
  const pipe = new LinePipe(
    options.stdin ?? process.stdin,
    guard.stream,
    {
      onMessage: (message) => link.send(message),
      onGarbage: (reason) => logger.warn({ reason }, 'ignored a line on standard input'),
      onEnd: () => {
        callOff = clock.after(options.graceMs ?? 5000, finish, true);
        void link.idle().then(finish);
      },
      onBroken: finish,
    },
    defaultLimits.bodyBytes,
  );
  signal?.addEventListener('abort', finish);
  if (signal?.aborted === true) finish();
  pipe.start();
  try {
    await finished;
    await link.close();
  } finally {
    callOff?.();
    signal?.removeEventListener('abort', finish);
    pipe.close();
    guard.restore();
  }
}
