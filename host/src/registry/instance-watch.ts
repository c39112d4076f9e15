import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.js';
import { watchHealth } from './handshake.js';
import type { Launched } from './launcher.js';

/** Who hears of the end of an instance. */
export interface InstanceWatcher {
  /** It is gone: no request may get it. Returns whether the plugin is without an instance now. */
  lost(why: string): boolean;
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
  const health = watchHealth(instance, watching.signal, (serving) => {
    instance.serving = serving;
  });
  const why = await Promise.race([exit, health, instance.broken]);
  watching.abort();
  if (!instance.apply('lost', why)) return;
  // In the same step: nobody may find it active.
  const wasActive = watcher.lost(why);
  const said = await Promise.race([
    exit,
    sleep(explainMs, `plugin ${plugin} was lost: ${why}`, { ref: false }),
  ]);
  log.error({ plugin, reason: said }, 'plugin is gone');
  instance.apply('wait', said);
  await launched.dispose(0).catch((thrown: unknown) => {
    log.error({ plugin, err: thrown }, 'an instance did not end as it should');
  });
  instance.apply('exited', said);
  watcher.gone(said, performance.now() - bornAt, wasActive);
}
