import { setTimeout as pause } from 'node:timers/promises';

/** Asks until there is an answer other than undefined; fails after a deadline, saying what was waited for. */
export async function until<Value>(
  ask: () => Value | undefined | Promise<Value | undefined>,
  { what, withinMs = 15_000 }: { what: string | (() => string); withinMs?: number },
): Promise<Value> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline) {
    const value = await ask();
    if (value !== undefined) return value;
    await pause(10);
  }
  throw new Error(`waited in vain for ${typeof what === 'string' ? what : what()}`);
}
