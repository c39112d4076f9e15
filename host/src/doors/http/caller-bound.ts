/** How many requests each caller has at the same time, and whether it may have another. */
export class CallerBound {
  private readonly counts = new Map<string, number>();

  constructor(readonly max: number) {}

  /** Counts a request in; false when the caller has as many as it may have. */
  enter(caller: string): boolean {
    const now = this.counts.get(caller) ?? 0;
    if (now >= this.max) return false;
    this.counts.set(caller, now + 1);
    return true;
  }

  leave(caller: string): void {
    const now = this.counts.get(caller) ?? 0;
    if (now <= 1) this.counts.delete(caller);
    else this.counts.set(caller, now - 1);
  }
}
