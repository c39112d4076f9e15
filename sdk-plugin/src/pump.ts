import type { ServerWritableStream } from '@grpc/grpc-js';
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
 * handler while the caller does not read. Resolves when the handler has ended;
 * rejects with its error.
 */
export async function pump<Item>(
  call: ServerWritableStream<Buffer, Buffer>,
  open: OpenCall,
  items: AsyncIterable<Item>,
  framing: Framing<Item>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let scheduled = false;
  let blocked = false;
  let wake: (() => void) | undefined;

  const unblock = (): void => {
    blocked = false;
    wake?.();
    wake = undefined;
  };
  const flush = (): void => {
    scheduled = false;
    try {
      while (!open.aborted) {
        const message = framing.take();
        if (message === undefined) break;
        if (!call.write(message)) blocked = true;
      }
    } catch (error) {
      open.context.log.error('an answer could not be encoded', { error });
      open.abort(error instanceof Error ? error : new Error(String(error)));
    }
  };

  call.on('drain', unblock);
  open.onAbort(() => {
    unblock();
    // A generator that waits hears of it through the signal and runs its `finally` when its wait ends.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  });
  try {
    for (;;) {
      const next = await iterator.next();
      if (open.aborted || next.done === true) break;
      framing.add(next.value);
      if (framing.full) {
        flush();
        // A handler that never waits would keep the event loop from seeing that the caller left.
        await turn();
      } else if (!scheduled) {
        scheduled = true;
        process.nextTick(flush);
      }
      if (blocked && !open.aborted) await new Promise<void>((resolve) => (wake = resolve));
    }
    if (open.aborted) return;
    framing.finish();
    flush();
  } catch (error) {
    // What was ready before the error still belongs to the caller.
    flush();
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
    throw error;
  } finally {
    call.removeListener('drain', unblock);
  }
}
