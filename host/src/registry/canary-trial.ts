import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance } from './instance.js';
import type { Launched } from './launcher.js';
import type { PluginSlot } from './plugin-slot.js';
import { refused } from './refusal.js';

/** How an instance is tried before it is committed. */
export interface Trial {
  /** Longest time as a canary, in milliseconds; as long again for the end of requests that it has. */
  readonly canaryMs: number;
  /** Requests after which a canary is judged. */
  readonly canaryRequests: number;
  /** Ends the trial. */
  readonly signal: AbortSignal;
}

/** How much worse than the active instance a canary may be. */
const tolerance = { errorRate: 0.05, latencyFactor: 2, latencyFloorMs: 50 };

/** How often a canary is looked at, in milliseconds. */
const judgeEveryMs = 20;

/**
 * Gives the candidate its share of the traffic and judges it. Resolves with what
 * speaks for it in one line; throws when it does worse, and when no request of its
 * came to an end: then nothing was learnt, and nobody asked for a blind exchange.
 */
export async function prove(
  slot: PluginSlot,
  launched: Launched,
  old: PluginInstance,
  share: number,
  { canaryMs, canaryRequests, signal }: Trial,
): Promise<string> {
  const { instance } = launched;
  const { track } = instance;
  slot.adopt(launched);
  instance.apply('canary', `${Math.round(share * 100)}% of the requests`);
  slot.canary = { launched, share };
  const until = performance.now() + canaryMs;
  const goesOn = (): boolean => {
    const now = performance.now();
    if (now < until) return track.served < canaryRequests;
    return track.served === 0 && instance.inFlight > 0 && now < until + canaryMs;
  };
  while (goesOn()) {
    await sleep(judgeEveryMs);
    if (signal.aborted) throw GatewayError.from(signal.reason);
    if (slot.closed.aborted) throw GatewayError.from(slot.closed.reason);
    const worse = judge(old, instance, canaryRequests);
    if (worse !== undefined) throw refused(instance, worse);
  }
  const worse = judge(old, instance, Math.min(canaryRequests, track.served));
  if (worse !== undefined) throw refused(instance, worse);
  if (track.served === 0) throw refused(instance, nothingLearnt(instance, canaryMs));
  const few = track.served < canaryRequests ? ` (of ${canaryRequests} wanted)` : '';
  const first = track.firstToken(0.5);
  const latency = first === undefined ? '' : `, first token after ${first.toFixed(0)} ms in the median`;
  const requests = track.served === 1 ? 'request' : 'requests';
  return `${track.served} ${requests}${few}, ${track.failed} failed${latency}`;
}

/** Why the trial says nothing about a canary. */
function nothingLearnt({ inFlight }: PluginInstance, canaryMs: number): string {
  const what =
    inFlight === 0
      ? `no request came to it within ${canaryMs} ms`
      : `none of its ${inFlight} request(s) ended within ${2 * canaryMs} ms`;
  return `nothing was learnt of it as a canary: ${what}; give it longer, or swap without a canary`;
}

/** Why a canary is worse than the active instance, or undefined. */
function judge(old: PluginInstance, next: PluginInstance, enough: number): string | undefined {
  if (next.state !== 'canary') return `it ended: ${next.reason}`;
  const { track } = next;
  // A few failures are judged at once when they already exceed what the whole trial may have.
  const errors = track.failed / Math.max(track.served, enough, 1);
  if (errors > old.track.errorRate + tolerance.errorRate) {
    return `${track.failed} of ${track.served} requests failed as a canary`;
  }
  const [was, is] = [old.track.firstToken(0.5), track.firstToken(0.5)];
  if (track.served < enough || was === undefined || is === undefined) return undefined;
  if (is > Math.max(was, tolerance.latencyFloorMs) * tolerance.latencyFactor) {
    return `its first token takes ${is.toFixed(0)} ms in the median, the active one's ${was.toFixed(0)} ms`;
  }
  return undefined;
}
