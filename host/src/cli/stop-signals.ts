/** Waits for the signals that ask a process to end. */
export interface StopSignals {
  /** Resolves with the name of the first signal. */
  readonly first: Promise<NodeJS.Signals>;
  /** Takes the handlers away. */
  dispose(): void;
}

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. A second one ends the
 * process at once with code 1; the plugins notice and end by themselves.
 */
export function stopSignals(): StopSignals {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let seen = false;
  let resolve: (name: NodeJS.Signals) => void;
  const first = new Promise<NodeJS.Signals>((done) => (resolve = done));
  const handler = (name: NodeJS.Signals) => {
    if (seen) process.exit(1);
    seen = true;
    resolve(name);
  };
  for (const name of names) process.on(name, handler);
  return { first, dispose: () => names.forEach((name) => process.off(name, handler)) };
}
