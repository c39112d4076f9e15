import type { CallContext } from './plugin.js';

/** The context of work that no single call stands for: `signal` alone ends it. */
export function signalContext(
  signal: AbortSignal,
  rest: Omit<CallContext, 'signal' | 'onAbort'>,
): CallContext {
  return {
    ...rest,
    signal,
    onAbort: (listener) => {
      const abort = (): void => listener(signal.reason as Error);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    },
  };
}
