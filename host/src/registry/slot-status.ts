/** How a plugin is, for people. */
export interface SlotStatus {
  readonly state: 'starting' | 'active' | 'backoff' | 'stopped';
  /** Why the plugin is away, in one line. */
  readonly reason: string;
  readonly restarts: number;
  /** When the next start is due, in milliseconds since the epoch. */
  readonly retryAt: number | undefined;
}
