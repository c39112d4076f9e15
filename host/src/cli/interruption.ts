import { CliFailure } from './failure.js';

/** A signal that fires at Ctrl-C, for a command that is in the middle of something. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Fires it for another reason. */
  abort(): void;
  /** Takes the handlers away. */
  dispose(): void;
}

/** Fires at the first SIGINT or SIGTERM with a CliFailure as the reason. */
export function interruption(): Interruption {
  const controller = new AbortController();
  const stop = () => controller.abort(new CliFailure('interrupted'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const dispose = () => void process.off('SIGINT', stop).off('SIGTERM', stop);
  return { signal: controller.signal, abort: stop, dispose };
}
