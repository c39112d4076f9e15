import { GatewayError } from '../../errors/gateway-error.js';
import type { PluginInstance, PluginManifest } from '../instance.js';
import { identityChecks } from './identity-checks.js';
import { modelChecks } from './model-checks.js';
import { ConnectionLost, Probes, Unanswered } from './probes.js';
import type { SmokeCheck } from './smoke-check.js';

/** The checks that every candidate goes through; a runtime that is away fails none of them. */
export const smokeChecks: readonly SmokeCheck[] = [...identityChecks, ...modelChecks];

/** What is done about a candidate that fails a check: as the check says, warned about only, or not looked at. */
export type SmokePolicy = 'refuse' | 'warn' | 'off';

/** How a candidate is examined. */
export interface Examination {
  readonly policy: SmokePolicy;
  /**
   * It is to replace an instance that serves: then a call that does not end in
   * time counts against it. On a first start there is nothing to lose, and its
   * runtime may merely be slow.
   */
  readonly successor: boolean;
  /** The whole start, in milliseconds: no call is waited for longer than a part of it. */
  readonly startTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Longest waits, in milliseconds. */
const longest = { ownMs: 2000, runtimeMs: 5000 };

/** Something that a check found. */
interface Finding {
  readonly check: SmokeCheck;
  readonly found: string;
  readonly refuse: boolean;
}

/**
 * Runs the smoke checks, all at the same time. Resolves with what is odd, one
 * line each; throws plugin_unavailable when something is wrong that would harm callers.
 */
export async function examine(
  instance: PluginInstance,
  manifest: PluginManifest,
  examination: Examination,
): Promise<readonly string[]> {
  const { policy, signal, startTimeoutMs } = examination;
  if (policy === 'off') return [];
  const part = Math.max(100, startTimeoutMs / 3);
  const probes = new Probes(instance, manifest, {
    ownMs: Math.min(longest.ownMs, part),
    runtimeMs: Math.min(longest.runtimeMs, part),
  });
  const giveUp = (): void => {
    probes.end();
  };
  signal.addEventListener('abort', giveUp, { once: true });
  const found = await Promise.all(smokeChecks.map((check) => run(check, probes, examination))).finally(() => {
    signal.removeEventListener('abort', giveUp);
    giveUp();
  });
  const findings = found.filter((finding) => finding !== undefined);
  const refusals = findings.filter(({ refuse }) => refuse);
  const [first] = refusals;
  // A call that hangs shows in every check that looks at it.
  if (first === undefined) {
    return findings
      .filter(({ found }, index) => findings.findIndex((other) => other.found === found) === index)
      .map(line);
  }
  const more = [...new Set(refusals.map(({ check }) => check.id))].filter((id) => id !== first.check.id);
  throw new GatewayError(
    'plugin_unavailable',
    `plugin ${instance.plugin} failed check ${line(first)}` +
      (more.length === 0 ? '' : `; also ${more.join(', ')}`),
    { plugin: instance.plugin },
  );
}

async function run(
  check: SmokeCheck,
  probes: Probes,
  { policy, successor }: Examination,
): Promise<Finding | undefined> {
  const refuse = check.severity === 'refuse' && policy === 'refuse';
  try {
    const found = await check.find(probes);
    return found === undefined ? undefined : { check, found: `it ${found}`, refuse };
  } catch (thrown) {
    if (thrown instanceof Unanswered) return { check, found: thrown.what, refuse: refuse && successor };
    if (!(thrown instanceof ConnectionLost)) throw thrown;
    throw new GatewayError('plugin_unavailable', `it was lost while check ${check.id} ran`, {
      cause: thrown,
    });
  }
}

function line({ check, found }: Finding): string {
  return `${check.id}: ${found}`;
}
