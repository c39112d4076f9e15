/** What the doors tell about the host itself. */
export interface InfoPort {
  /** Milliseconds since the host started. */
  uptimeMs(): number;
  /** Plugins in short, in a stable order. */
  plugins(): readonly PluginSummary[];
  /** Which configuration is in force; JSON values only. Absent where it cannot be read again. */
  config?(): object;
}

/** A plugin in short. */
export interface PluginSummary {
  readonly name: string;
  readonly version: string;
  /** State of its instance: `active`, `backoff`, … */
  readonly state: string;
  readonly instanceId: string;
}

/** What the doors let an administrator see. */
export interface AdminPort {
  /** All plugins, in a stable order. */
  listPlugins(): readonly PluginStatus[];
}

/** All there is to know about a plugin. */
export interface PluginStatus {
  readonly name: string;
  readonly displayName: string;
  readonly version: string;
  readonly runtime: string;
  readonly state: string;
  readonly reason: string;
  readonly origin: string;
  readonly restarts: number;
  /** Milliseconds since the epoch. */
  readonly retryAt: number | undefined;
  readonly queued: number;
  readonly operations: readonly string[];
  readonly services: readonly string[];
  readonly tools: readonly string[];
  /** What is odd about it, a line each. */
  readonly warnings: readonly string[];
  readonly instances: readonly InstanceStatus[];
}

/** An instance of a plugin. */
export interface InstanceStatus {
  readonly instanceId: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
  readonly address: string;
  readonly pid: number | undefined;
  readonly serving: boolean;
  readonly inFlight: number;
  readonly served: number;
  readonly failed: number;
  readonly firstTokenP50Ms: number | undefined;
  readonly firstTokenP99Ms: number | undefined;
  /** Milliseconds by phase of its start. */
  readonly startup: Readonly<Record<string, number>>;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** What came of a swap. */
export interface SwapReport {
  readonly plugin: string;
  readonly from: string;
  readonly to: string;
  readonly prepareMs: number;
  readonly commitMs: number;
  readonly pauseMs: number;
  readonly verdict: string;
}

/** Something that happened. */
export interface EventStatus {
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly type: string;
  readonly plugin: string;
  readonly instanceId: string;
  readonly version: string;
  readonly message: string;
  readonly from?: string;
  readonly to?: string;
  readonly outcome?: string;
  readonly prepareMs?: number;
  readonly commitMs?: number;
  readonly pauseMs?: number;
}

/** Whether the host can serve. */
export interface ReadinessPort {
  checks(): readonly ReadinessCheck[];
}

/** One thing that must be so. */
export interface ReadinessCheck {
  readonly name: string;
  readonly ok: boolean;
  /** For `?verbose`; no secrets. */
  readonly detail?: string;
}
