import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.js';
import { watchHealth } from './handshake.js';
import { leasable } from './instance-state.js';
import type { Launched } from './launcher.js';
import { watchLiveness } from './liveness.js';

/** Who hears of the end of an instance. */
export interface InstanceWatcher {
  /** It is gone: no request may get it. Returns whether the plugin is without an instance now. */
  lost(why: string): boolean;
  /** It says that it is not serving, in these words. */
  mute(said: string): void;
  /** Why is known and everything is put away; milliseconds that it lived. */
  gone(said: string, livedMs: number, wasActive: boolean): void;
}

/** How long the exit that explains a lost connection may take, in milliseconds. */
const explainMs = 500;

/**
 * Watches an instance until it is gone and cleans up after it. One that was told
 * to go ends in silence.
 */
export async function watchInstance(
  launched: Launched,
  log: Logger,
  watcher: InstanceWatcher,
): Promise<void> {
  const { instance } = launched;
  const { plugin } = instance;
  const bornAt = performance.now();
  const watching = new AbortController();
  const exit = launched.exited.then((ended) => `plugin ${plugin} ${ended.reason}`);
  const health = watchHealth(instance, watching.signal, (serves) => {
    // One that drains says so too, and nobody needs to know.
    if (!instance.heardServing(serves) || !leasable.has(instance.state)) return;
    const message = serves ? 'says that it serves again' : 'says that it is not serving';
    log.warn({ plugin, instance: instance.instanceId }, `plugin ${message}`);
    instance.tell('health', message);
    if (!serves) watcher.mute(message);
  });
  let frozen = false;
  const pulse = watchLiveness(instance, () => launched.source.liveness, watching.signal).then((silent) => {
    frozen = !watching.signal.aborted;
    return silent;
  });
  const why = await Promise.race([exit, health, pulse, instance.broken]);
  watching.abort();
  if (!instance.apply('lost', why)) return;
  // In the same step: nobody may find it active.
  const wasActive = watcher.lost(why);
  const lost = `plugin ${plugin} was lost: ${why}`;
  // One that is frozen or belongs to somebody else does not say more.
  const explained = launched.owned && !frozen;
  const said = explained ? await Promise.race([exit, sleep(explainMs, lost, { ref: false })]) : lost;
  // Requests that still wait for a frozen plugin hear why they end.
  // Closing the connection would give them another reason: their end comes first.
  if (!launched.owned && instance.transport.cut(lost)) await setImmediate();
  log.error({ plugin, reason: said }, 'plugin is gone');
  instance.apply('wait', said);
  await launched.dispose(0).catch((thrown: unknown) => {
    log.error({ plugin, err: thrown }, 'an instance did not end as it should');
  });
  instance.apply('exited', said);
  watcher.gone(said, performance.now() - bornAt, wasActive);
}
