/** Bytes of bodies that are not whole yet, over all connections. */
export class BodyBudget {
  private used = 0;

  constructor(readonly max: number) {}

  /** Takes bytes in; false when that is more than there may be. */
  take(bytes: number): boolean {
    this.used += bytes;
    return this.used <= this.max;
  }

  giveBack(bytes: number): void {
    this.used -= bytes;
  }
}
