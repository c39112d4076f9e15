import { setTimeout as sleep } from 'node:timers/promises';
import { HealthDefinition, methodsOf } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance } from './instance.js';

/** How it is found out that a plugin is frozen. */
export interface LivenessPolicy {
  /** Milliseconds between two probes; 0 does not probe. */
  readonly intervalMs: number;
  /** Longest wait for an answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Probes in a row without an answer after which the plugin counts as frozen. */
  readonly misses: number;
}

const health = methodsOf(HealthDefinition);

/** How often a policy that is switched off is looked at again, in milliseconds. */
const lookAgainMs = 5000;

/**
 * Asks an instance now and then whether it is there; resolves with the reason
 * when it is not. Any answer will do, also an error, and so does any message of
 * a request meanwhile: a plugin may be too busy for questions.
 */
export async function watchLiveness(
  instance: PluginInstance,
  /** Read before every probe. */
  policy: () => LivenessPolicy,
  signal: AbortSignal,
): Promise<string> {
  let missed = 0;
  for (;;) {
    const { intervalMs, timeoutMs, misses } = policy();
    // After a miss it is asked again at once.
    if (missed === 0) {
      try {
        await sleep(intervalMs === 0 ? lookAgainMs : intervalMs, undefined, { signal, ref: false });
      } catch {
        return 'released';
      }
      if (intervalMs === 0) continue;
    }
    const { heard } = instance;
    const answered = await probe(instance, timeoutMs, signal);
    if (signal.aborted) return 'released';
    missed = answered || instance.heard !== heard ? 0 : missed + 1;
    if (missed >= misses) return `does not answer (${misses} probes of ${timeoutMs} ms)`;
  }
}

async function probe(instance: PluginInstance, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await instance.client.unary(health.check, { service: '' }, { timeoutMs, signal });
  } catch (thrown) {
    return GatewayError.from(thrown).kind !== 'total_timeout';
  }
  return true;
}
