import { setLogger } from '@grpc/grpc-js';
import type { Log } from './log.js';
import { guardParent } from './parent-guard.js';
import type { PluginServer } from './plugin-server.js';

/** How long stop() may take when there is nobody left to wait for it, in milliseconds. */
const hurriedGrace = 1_500;

/** What a process is to do with its life. */
export interface ProcessLife {
  readonly server: PluginServer;
  readonly log: Log;
  /** How long SIGTERM waits for requests in flight, in milliseconds. */
  readonly drainMs: number;
  /** How long stop() may take after that, in milliseconds. */
  readonly graceMs: number;
}

/**
 * Binds a plugin to its process: signals, the parent's death and errors that
 * nobody caught. Returns the function that Shutdown calls.
 */
export function liveInProcess({ server, log, drainMs, graceMs }: ProcessLife): (graceMs: number) => void {
  const patience = new AbortController();
  let signals = 0;

  // grpc-js would write plain lines between ours.
  const note = (...words: unknown[]): void => log.debug(`grpc-js: ${words.map(String).join(' ')}`);
  setLogger({ debug: note, info: note, error: note });

  const exit = (code: number): void => {
    // Lines written to a pipe may still be on their way.
    process.stderr.write('', () => process.exit(code));
  };
  const stop = (grace: number): void => {
    patience.abort();
    void server.stop(grace).then(() => exit(0));
  };
  const onSignal = (name: string): void => {
    signals += 1;
    if (signals > 2) process.exit(1);
    if (signals === 2) {
      log.warn('stopping at once', { signal: name });
      stop(hurriedGrace);
      return;
    }
    log.info('draining, then stopping; a second signal stops at once', { signal: name });
    const timer = setTimeout(() => {
      log.warn('requests in flight are cut', { drainMs });
      patience.abort();
    }, drainMs);
    void server.drain(patience.signal).then(() => {
      clearTimeout(timer);
      stop(graceMs);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // A terminal that goes away is no reason to leave a request half done.
  process.on('SIGHUP', onSignal);

  if (process.env['PLUGIN_PARENT_GUARD'] === 'stdin') {
    guardParent((why) => {
      log.warn('stopping at once: the parent is gone', { why });
      // Whoever read our log is gone too: a broken pipe must not keep us from stopping.
      process.stderr.on('error', () => undefined);
      setTimeout(() => process.exit(0), hurriedGrace + 1_000).unref();
      stop(hurriedGrace);
    });
  }

  const crash = (what: string) => (error: unknown) => {
    log.error(what, { error });
    exit(1);
    // Should standard error be stuck, leave all the same.
    setTimeout(() => process.exit(1), 1_000).unref();
  };
  process.on('uncaughtException', crash('uncaught exception'));
  process.on('unhandledRejection', crash('unhandled rejection'));
  // A host that reads neither stream must not end us by EPIPE.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  return stop;
}
