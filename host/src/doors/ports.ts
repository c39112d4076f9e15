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
  /** Plugins with whatever there is to know about each; JSON values only. */
  listPlugins(): Promise<readonly object[]>;
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
