/** Counts of observations by size: what a Prometheus histogram is made of. */
export class BucketHistogram {
  /** One per bound, and one for what is larger than all of them; not cumulative. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  /** `bounds` ascend; an observation equal to a bound is below it. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] ?? Infinity)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += value;
    this.count += 1;
  }
}
