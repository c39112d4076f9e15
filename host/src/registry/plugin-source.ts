import type { TransportTls } from './grpc-transport.js';
import type { LivenessPolicy } from './liveness.js';
import type { SmokePolicy } from './smoke/examination.js';

/** Where instances of a plugin come from and how they are treated: one plugin of the configuration. */
export interface PluginSource {
  /** Name under which the host keeps it and models are addressed. */
  readonly name: string;
  readonly origin: SpawnOrigin | AttachOrigin;
  /** The plugin's own configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly swapMode: 'overlap' | 'exclusive' | undefined;
  /** From spawn to readiness, in milliseconds. */
  readonly startTimeoutMs: number;
  /** Longest drain, in milliseconds. */
  readonly drainTimeoutMs: number;
  readonly restart: RestartPolicy;
  /** Most requests given to one instance at the same time; further ones wait. */
  readonly maxInFlight: number;
  /** Memory that its process group may hold, in bytes; undefined is no limit. */
  readonly memoryBytes: number | undefined;
  /** How it is found out that an instance is frozen. */
  readonly liveness: LivenessPolicy;
  /** What is done about a new instance that fails a smoke check. */
  readonly smokeChecks: SmokePolicy;
  /** Files and directories whose change exchanges it; empty for none. */
  readonly watch: readonly string[];
}

/** The host starts it. */
export interface SpawnOrigin {
  readonly kind: 'spawn';
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

/** Somebody else starts it. */
export interface AttachOrigin {
  readonly kind: 'attach';
  readonly address: string;
  readonly tls: TransportTls | undefined;
  /** The instance that announced itself there; another one at the same address takes its place. */
  readonly instance?: string;
}

/** How fast a plugin that ended is started again. All in milliseconds. */
export interface RestartPolicy {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** A plugin that lived this long has its back-off forgotten. */
  readonly resetAfterMs: number;
}

/** The delay before the next start after so many failures in a row, with up to 20 % jitter. */
export function restartDelay(policy: RestartPolicy, failures: number, random: () => number): number {
  const delay = Math.min(policy.maxDelayMs, policy.minDelayMs * 2 ** Math.min(failures - 1, 20));
  return Math.round(delay * (1 + 0.2 * random()));
}
