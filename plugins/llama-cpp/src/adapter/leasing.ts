import type { Duration } from '@outrigger/proto';
import type { CallContext } from '@outrigger/sdk-plugin';
import type { Engine } from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';
import type { EngineLease } from '../engine-pool.js';
import { callError } from './errors.js';
import type { PluginState } from './state.js';

/** Does some work with a model's engine, loading the model when needed. Errors come in the contract's words. */
export async function withEngine<T>(
  state: PluginState,
  model: string,
  { signal, log }: CallContext,
  keepAlive: Duration | undefined,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  let lease: EngineLease | undefined;
  try {
    lease = await state.pool.acquire(model, signal);
    return await work(lease.engine);
  } catch (error) {
    logDetail(error, model, log);
    throw callError(error, signal);
  } finally {
    lease?.release(milliseconds(keepAlive));
  }
}

/** Gives a lease back as soon as it is there: its caller may have left while the model was being loaded. */
export function giveBack(lease: Promise<EngineLease> | undefined, keepAlive: Duration | undefined): void {
  lease?.then(
    (held) => held.release(milliseconds(keepAlive)),
    () => undefined,
  );
}

/** Whether a promise settles within so many milliseconds; what it settles to is the caller's business. */
export async function settles(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  const done = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What callers are not told, such as the engine's last lines, goes into the log. */
export function logDetail(error: unknown, model: string, log: CallContext['log']): void {
  if (!(error instanceof EngineError) || error.details.detail === undefined) return;
  log.warn('the engine failed', {
    model,
    kind: error.kind,
    reason: error.message,
    detail: error.details.detail,
  });
}

function milliseconds(duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  return Number(duration.seconds) * 1_000 + Math.floor(duration.nanos / 1_000_000);
}
