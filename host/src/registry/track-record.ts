const maxSamples = 256;

/** How an instance has done so far: counts, and the last times to the first token. */
export class TrackRecord {
  /** Requests that ended, whatever their end. */
  served = 0;
  /** Those of them that the instance is to blame for. */
  failed = 0;
  private readonly samples: number[] = [];
  private next = 0;

  /** Takes in the end of a request; milliseconds to the first token where one came. */
  note(failed: boolean, firstTokenMs: number | undefined): void {
    this.served += 1;
    if (failed) this.failed += 1;
    if (firstTokenMs === undefined) return;
    this.samples[this.next] = firstTokenMs;
    this.next = (this.next + 1) % maxSamples;
  }

  /** Share of failed requests, 0 to 1. */
  get errorRate(): number {
    return this.served === 0 ? 0 : this.failed / this.served;
  }

  /** A quantile (0 to 1) of the last times to the first token in milliseconds; undefined without samples. */
  firstToken(quantile: number): number | undefined {
    if (this.samples.length === 0) return undefined;
    const sorted = [...this.samples].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))];
  }
}
