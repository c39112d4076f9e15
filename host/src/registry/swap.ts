import { MultiplexDefinition, Operation } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import { prove, type Trial } from './canary-trial.js';
import type { PluginInstance } from './instance.js';
import { refused } from './refusal.js';
import type { PluginSlot } from './plugin-slot.js';
import type { PluginSource } from './plugin-source.js';

/** How a swap is to be made. */
export interface SwapPlan extends Trial {
  /** Where the new instance comes from; the slot's own source again when undefined. */
  readonly source: PluginSource | undefined;
  /** Share of the traffic (0 to 1) that the new one gets before it is committed; undefined commits at once. */
  readonly canaryShare: number | undefined;
  /** After the commit the old one can be brought back for this long, in milliseconds. */
  readonly bakeMs: number;
}

/** What came of a swap. */
export interface SwapResult {
  readonly plugin: string;
  readonly from: string;
  readonly to: string;
  /** Milliseconds from the beginning to standby: the old one served all the while. */
  readonly prepareMs: number;
  /** Milliseconds of the exchange itself: one synchronous step. */
  readonly commitMs: number;
  /** Milliseconds without an instance, in which requests waited; 0 for an overlapping swap. */
  readonly pauseMs: number;
  /** What decided for a canary, in one line; empty without one. */
  readonly verdict: string;
}

/**
 * Exchanges the instance of a plugin. The old one serves until the new one is
 * ready, validated and, when asked for, proved as a canary; on any failure before
 * the commit it stays as it was. Rejects with the reason in one line.
 */
export async function swap(slot: PluginSlot, plan: SwapPlan): Promise<SwapResult> {
  const startedAt = performance.now();
  const source = plan.source ?? slot.source;
  const old = slot.active;
  if (slot.succession.modeFor(source) === 'exclusive') {
    if (plan.canaryShare !== undefined) {
      throw new GatewayError(
        'conflict',
        `plugin ${slot.name} runs once at a time and shares its requests with no canary; swap it without one`,
        { plugin: slot.name, param: 'canary_share' },
      );
    }
    return swapExclusive(slot, source, plan, startedAt);
  }
  const launched = await slot.launch(source, plan.signal);
  let verdict = '';
  try {
    validate(slot, old, launched.instance);
    if (plan.canaryShare !== undefined && old !== undefined) {
      verdict = await prove(slot, launched, old, plan.canaryShare, plan);
    }
    if (plan.signal.aborted) throw GatewayError.from(plan.signal.reason);
    const prepareMs = performance.now() - startedAt;
    const { old: replaced, commitMs } = slot.commit(launched, plan.bakeMs);
    slot.forgive();
    return { ...between(slot, replaced, launched.instance), prepareMs, commitMs, pauseMs: 0, verdict };
  } catch (thrown) {
    await slot.discard(launched, GatewayError.from(thrown).message);
    throw thrown;
  }
}

/** Drains the old one first: requests wait. What cannot start is replaced by the old one again. */
async function swapExclusive(
  slot: PluginSlot,
  source: PluginSource,
  plan: SwapPlan,
  startedAt: number,
): Promise<SwapResult> {
  const { source: before, active: old } = slot;
  const { reason } = slot.status;
  await slot.vacate('replaced', before.drainTimeoutMs, 'starting');
  const pausedAt = performance.now();
  try {
    const launched = await slot.launch(source, plan.signal, old !== undefined);
    try {
      validate(slot, old, launched.instance);
      const { commitMs } = slot.commit(launched);
      if (old !== undefined) slot.succession.bake(before, plan.bakeMs);
      slot.forgive();
      const now = performance.now();
      const pauseMs = now - pausedAt;
      const prepareMs = now - startedAt;
      return { ...between(slot, old, launched.instance), prepareMs, commitMs, pauseMs, verdict: '' };
    } catch (thrown) {
      await slot.discard(launched, GatewayError.from(thrown).message);
      throw thrown;
    }
  } catch (thrown) {
    slot.source = before;
    slot.resume(reason);
    throw thrown;
  }
}

/** Refuses an instance that is another plugin or can do less. */
function validate(slot: PluginSlot, old: PluginInstance | undefined, next: PluginInstance): void {
  const [was, is] = [old?.manifest, next.manifest];
  const name = was?.info.name ?? slot.succession.name;
  if (is !== undefined && name !== undefined && name !== is.info.name) {
    const whose = was === undefined ? 'the one before was' : 'the active one is';
    throw refused(next, `it calls itself ${is.info.name}, ${whose} ${name}`);
  }
  if (was === undefined || is === undefined) return;
  if (was.info.instanceId === is.info.instanceId) {
    throw refused(next, 'it is the very instance that is active');
  }
  const lost = was.services.filter(
    // Without Multiplex calls travel another way; nothing is lost.
    (service) => !is.services.includes(service) && service !== MultiplexDefinition.fullName,
  );
  if (lost.length > 0) throw refused(next, `it no longer serves ${lost.join(', ')}`);
  const gone = was.capabilities.operations.filter(
    (operation) => !is.capabilities.operations.includes(operation),
  );
  if (gone.length > 0) throw refused(next, `it no longer offers ${gone.map(operationName).join(', ')}`);
}

function operationName(operation: Operation): string {
  return (
    (Operation[operation] as string | undefined)?.replace('OPERATION_', '').toLowerCase() ??
    `operation ${operation}`
  );
}

function between(slot: PluginSlot, old: PluginInstance | undefined, next: PluginInstance) {
  return { plugin: slot.name, from: old?.version ?? '', to: next.version };
}
