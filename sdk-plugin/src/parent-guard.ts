/** What the guard watches; given by tests. */
export interface GuardedProcess {
  readonly ppid: number;
  readonly stdin: NodeJS.ReadableStream & { unref?: () => void };
}

/** How often the parent is looked at, in milliseconds. */
const interval = 500;

/**
 * Calls `gone` once when the parent has died: its end of our standard input
 * closes, or we have been given to another parent. A plugin that nobody
 * supervises must not be guarded: its standard input may be closed from the start.
 * Returns a function that ends the watch.
 */
export function guardParent(gone: (why: string) => void, watched: GuardedProcess = process): () => void {
  const parent = watched.ppid;
  let over = false;
  const fire = (why: string): void => {
    if (over) return;
    end();
    gone(why);
  };
  const closed = (): void => fire('standard input was closed');
  const timer = setInterval(() => {
    if (watched.ppid !== parent) fire('the parent process is gone');
  }, interval);
  timer.unref();
  const end = (): void => {
    over = true;
    clearInterval(timer);
    watched.stdin.removeListener('end', closed);
    watched.stdin.removeListener('close', closed);
  };
  watched.stdin.on('end', closed);
  watched.stdin.on('close', closed);
  watched.stdin.on('error', closed);
  // Without reading there is no end; what arrives is thrown away.
  watched.stdin.resume();
  watched.stdin.unref?.();
  return end;
}
