import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.js';
import type { Launched } from './launcher.js';
import { contract } from './plugin-client.js';

/** How an instance is taken out of service. */
export interface Retirement {
  /** For the plugin's log and the events. */
  readonly why: string;
  /** Longest wait for its requests, in milliseconds. */
  readonly drainMs: number;
  /** It is kept at least this long, so that it can be brought back, in milliseconds. */
  readonly keepMs: number;
  /** Set when the instance is brought back: retiring stops. */
  readonly revoked: AbortSignal;
}

/** Time between the request to shut down and SIGKILL, in milliseconds. */
const stopGraceMs = 3000;

/**
 * Waits until neither host nor plugin has requests of a draining instance in
 * flight, then ends it. False when it was brought back before. What is still in
 * flight when the time is over fails with an explicit error.
 */
export async function retire(launched: Launched, retirement: Retirement, log: Logger): Promise<boolean> {
  const { instance } = launched;
  const { why, drainMs, keepMs, revoked } = retirement;
  if (instance.state === 'active' || instance.state === 'canary') instance.apply('drain', why);
  const bounds = AbortSignal.any([AbortSignal.timeout(drainMs), revoked]);
  try {
    if (keepMs > 0) await sleep(Math.min(keepMs, drainMs), undefined, { signal: revoked });
    await instance.whenIdle(bounds);
    if (launched.owned) await drainPlugin(launched, why, bounds);
  } catch {
    if (revoked.aborted) return false;
    if (instance.state === 'crashed' || instance.state === 'backoff') return true;
    log.warn({ plugin: instance.plugin, inFlight: instance.inFlight }, 'drain ran out of time');
  }
  if (revoked.aborted) return false;
  instance.apply('drained');
  await launched.dispose(stopGraceMs);
  instance.apply('exited');
  return true;
}

async function drainPlugin({ instance }: Launched, reason: string, signal: AbortSignal): Promise<void> {
  for await (const { inFlight } of instance.client.stream(contract.lifecycle.drain, { reason }, { signal })) {
    if (inFlight === 0) return;
  }
}
