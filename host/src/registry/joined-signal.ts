/** A signal that fires with the first of several. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Lets go of the others, which may live much longer. */
  release(): void;
}

/** Joins signals; the reason is that of the first that fires. `AbortSignal.any` would not let go. */
export function joinSignals(...signals: readonly AbortSignal[]): JoinedSignal {
  const either = new AbortController();
  const give = (event: Event): void => {
    either.abort((event.target as AbortSignal).reason);
  };
  for (const one of signals) {
    if (one.aborted) either.abort(one.reason);
    else one.addEventListener('abort', give, { once: true });
  }
  return {
    signal: either.signal,
    release: () => {
      for (const one of signals) one.removeEventListener('abort', give);
    },
  };
}
