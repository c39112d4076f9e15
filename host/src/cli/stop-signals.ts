import { closeSync, openSync } from 'node:fs';

/** Waits for the signals that ask a process to end. */
export interface StopSignals {
  /** Resolves with the name of the first signal. */
  readonly first: Promise<NodeJS.Signals>;
  /** Takes the handlers away. */
  dispose(): void;
}

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. A second one ends the
 * process at once with code 1; the plugins notice and end by themselves. With
 * `onHangup`, SIGHUP calls that instead, except when it tells that the
 * terminal of the process was closed.
 */
export function stopSignals(onHangup?: () => void): StopSignals {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const hadTerminal = onHangup !== undefined && hasTerminal();
  let seen = false;
  let resolve: (name: NodeJS.Signals) => void;
  const first = new Promise<NodeJS.Signals>((done) => (resolve = done));
  const handler = (name: NodeJS.Signals) => {
    if (name === 'SIGHUP' && onHangup !== undefined && (!hadTerminal || hasTerminal())) {
      if (!seen) onHangup();
      return;
    }
    if (seen) process.exit(1);
    seen = true;
    resolve(name);
  };
  for (const name of names) process.on(name, handler);
  return { first, dispose: () => names.forEach((name) => process.off(name, handler)) };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
