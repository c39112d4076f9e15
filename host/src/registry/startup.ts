/** What an instance goes through until it is active, and what is reached with each. */
const phases = {
  spawned: 'spawnMs',
  connected: 'connectMs',
  negotiated: 'negotiateMs',
  configured: 'configureMs',
  validated: 'validateMs',
  active: 'activateMs',
} as const;

/** A point on the way. */
export type StartupPoint = keyof typeof phases;

/** How long each phase took, in milliseconds, as far as it has come. */
export type StartupSplit = Partial<Record<(typeof phases)[StartupPoint] | 'totalMs', number>>;

/** Measures the start of an instance, phase by phase. Reading of the clock in monotonic milliseconds. */
export class Startup {
  private readonly beganAt: number;
  private last: number;
  private readonly taken = new Map<StartupPoint, number>();

  constructor(private readonly now: () => number) {
    this.beganAt = this.last = now();
  }

  /** A point is reached; a second time changes nothing. */
  reach(point: StartupPoint): void {
    if (this.taken.has(point)) return;
    const at = this.now();
    this.taken.set(point, at - this.last);
    this.last = at;
  }

  get split(): StartupSplit {
    const parts = [...this.taken].map(([point, ms]) => [phases[point], tenth(ms)] as const);
    return { ...Object.fromEntries(parts), totalMs: tenth(this.last - this.beganAt) };
  }

  /** The split in one line. */
  toString(): string {
    const parts = [...this.taken].map(([point, ms]) => `${phases[point].slice(0, -2)} ${Math.round(ms)}`);
    return `up after ${Math.round(this.last - this.beganAt)} ms: ${parts.join(', ')}`;
  }
}

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10;
}
