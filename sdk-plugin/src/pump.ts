import type { Caller } from './caller.js';
import type { OpenCall } from './open-call.js';

/** Turns a handler's items into messages of a stream. */
export interface Framing<Item> {
  /** Takes an item; throws when it must not come here. */
  add(item: Item): void;
  /** The next message that is ready, encoded; undefined when there is none. */
  take(): Buffer | undefined;
  /** Enough has gathered to be written without waiting for more. */
  readonly full: boolean;
  /** The handler has ended: adds what belongs last, throws when something is missing. */
  finish(): void;
}

/** Every item is a message. */
export function plainFraming<Item>(encode: (item: Item) => Buffer): Framing<Item> {
  const ready: Buffer[] = [];
  return {
    add: (item) => void ready.push(encode(item)),
    take: () => ready.shift(),
    get full() {
      return ready.length >= 16;
    },
    finish: () => undefined,
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Writes a handler's items to the caller. Items that are ready in the same turn
 * leave together, none waits for a timer, and nothing more is asked of the
 * handler while the caller does not read. Resolves when the handler has ended
 * and cleaned up; its error aborts the call.
 */
export async function pump<Item>(
  caller: Caller,
  open: OpenCall,
  items: AsyncIterable<Item>,
  framing: Framing<Item>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let scheduled = false;
  const reader = { blocked: false, wake: (): void => undefined };
  const unblock = (): void => {
    reader.blocked = false;
    reader.wake();
  };
  const flush = (): void => {
    scheduled = false;
    try {
      while (!open.aborted) {
        const message = framing.take();
        if (message === undefined) break;
        if (!caller.write(message)) reader.blocked = true;
      }
    } catch (error) {
      open.context.log.error('an answer could not be encoded', { error });
      open.abort(error instanceof Error ? error : new Error(String(error)));
    }
  };

  let unwound: Promise<unknown> = Promise.resolve();
  caller.onDrain(unblock);
  open.onAbort(() => {
    unblock();
    // A generator that waits hears of it through the signal and runs its `finally` when its wait ends.
    unwound = Promise.resolve(iterator.return?.()).catch(() => undefined);
  });
  try {
    while (!open.aborted) {
      const next = await iterator.next();
      if (next.done === true) {
        framing.finish();
        break;
      }
      framing.add(next.value);
      if (framing.full) {
        flush();
        // A handler that never waits would keep the event loop from seeing that the caller left.
        await turn();
      } else if (!scheduled) {
        scheduled = true;
        process.nextTick(flush);
      }
      if (reader.blocked) await new Promise<void>((resolve) => (reader.wake = resolve));
    }
    flush();
  } catch (error) {
    // What was ready before the error still belongs to the caller.
    flush();
    open.abort(error instanceof Error ? error : new Error(String(error)));
  } finally {
    caller.onDrain(undefined);
  }
  // The slot is free when the handler has cleaned up, not before.
  await unwound;
}
