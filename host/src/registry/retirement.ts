import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
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
  /** Called when the plugin is told to refuse work: from here on it cannot be brought back. */
  readonly onTold: () => void;
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
  const { why, drainMs, revoked } = retirement;
  if (instance.state === 'active' || instance.state === 'canary') instance.apply('drain', why);
  try {
    await drain(launched, retirement, log);
  } catch (thrown) {
    if (revoked.aborted) return false;
    // A plugin that does not report its own count is judged by the host's alone.
    log.debug({ plugin: instance.plugin, reason: GatewayError.from(thrown).message }, 'plugin did not drain');
  }
  if (revoked.aborted) return false;
  const { inFlight } = instance;
  const late = `plugin ${instance.plugin} was taken out of service (${why}); this request was not complete within ${drainMs} ms`;
  instance.apply('drained', inFlight > 0 ? `${inFlight} request(s) cut after ${drainMs} ms` : why);
  if (inFlight > 0 && instance.transport.cut(late)) {
    log.warn({ plugin: instance.plugin, inFlight }, 'drain ran out of time; requests were cut');
  }
  instance.apply('exited', await launched.dispose(stopGraceMs));
  return true;
}

/** Resolves when nothing is in flight; rejects when the time is over or the instance is brought back. */
async function drain(launched: Launched, retirement: Retirement, log: Logger): Promise<void> {
  const { instance } = launched;
  const { why, drainMs, keepMs, revoked, onTold } = retirement;
  const time = new AbortController();
  const timer = setTimeout(() => {
    time.abort();
  }, drainMs);
  const give = (): void => {
    time.abort();
  };
  revoked.addEventListener('abort', give, { once: true });
  try {
    if (keepMs > 0) await sleep(Math.min(keepMs, drainMs), undefined, { signal: revoked });
    await instance.whenIdle(time.signal);
    // One that belongs to somebody else may have other hosts.
    if (!launched.owned || instance.state !== 'draining') return;
    onTold();
    const bounds = { signal: time.signal };
    for await (const { inFlight } of instance.client.stream(
      contract.lifecycle.drain,
      { reason: why },
      bounds,
    )) {
      if (inFlight === 0) return;
      log.debug({ plugin: instance.plugin, inFlight }, 'plugin drains');
    }
  } finally {
    clearTimeout(timer);
    revoked.removeEventListener('abort', give);
  }
}
