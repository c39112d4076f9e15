import type { UsageRecord } from './usage-ledger.js';

/** How traffic went lately. */
export interface Traffic {
  /** Finished requests per second. */
  readonly requestsPerSecond: number;
  /** Output tokens of finished requests per second. */
  readonly tokensPerSecond: number;
  /** Milliseconds from arrival to the end; undefined without samples. */
  readonly durationP50Ms: number | undefined;
  readonly durationP99Ms: number | undefined;
  /** Milliseconds from arrival to the first token; undefined without samples. */
  readonly firstTokenP50Ms: number | undefined;
  readonly firstTokenP99Ms: number | undefined;
  /** Requests behind the times. */
  readonly samples: number;
}

type Finished = Pick<UsageRecord, 'durationMs' | 'firstTokenMs' | 'outputTokens' | 'outcome'>;

/** Rates are means over this many seconds. */
export const rateSeconds = 10;
/** Times are of the requests of this many seconds, at most the last `maxSamples` of them. */
export const latencySeconds = 60;
const maxSamples = 512;

/** Traffic over a sliding window; bounded however many requests there are. */
export class TrafficWindow {
  /** One per second, the second itself beside it: a ring that needs no clearing by a timer. */
  private readonly buckets = Array.from({ length: rateSeconds + 1 }, () => ({
    second: -1,
    requests: 0,
    tokens: 0,
  }));
  private readonly samples: { at: number; durationMs: number; firstTokenMs: number | undefined }[] = [];
  private next = 0;
  private readonly since: number;

  /** `now` tells milliseconds of a clock that does not go back. */
  constructor(private readonly now: () => number) {
    this.since = now();
  }

  /** Takes a finished request in. */
  add({ durationMs, firstTokenMs, outputTokens, outcome }: Finished): void {
    const at = this.now();
    const second = Math.floor(at / 1000);
    const bucket = this.buckets[second % this.buckets.length];
    if (bucket === undefined) return;
    if (bucket.second !== second) Object.assign(bucket, { second, requests: 0, tokens: 0 });
    bucket.requests += 1;
    bucket.tokens += outputTokens ?? 0;
    // A refusal takes no time and would make the times look better than they are.
    if (outcome === 'refused') return;
    this.samples[this.next] = { at, durationMs, firstTokenMs };
    this.next = (this.next + 1) % maxSamples;
  }

  /** The window as it is now. */
  read(): Traffic {
    const at = this.now();
    const oldest = Math.floor(at / 1000) - rateSeconds;
    let requests = 0;
    let tokens = 0;
    for (const bucket of this.buckets) {
      if (bucket.second < oldest) continue;
      requests += bucket.requests;
      tokens += bucket.tokens;
    }
    // The buckets reach back to the beginning of the oldest second; a young window divides by its age.
    const seconds = Math.max(1, Math.min(at / 1000 - oldest, (at - this.since) / 1000));
    const recent = this.samples.filter((sample) => at - sample.at <= latencySeconds * 1000);
    const durations = sorted(recent.map((sample) => sample.durationMs));
    const firsts = sorted(
      recent.flatMap(({ firstTokenMs }) => (firstTokenMs === undefined ? [] : [firstTokenMs])),
    );
    return {
      requestsPerSecond: requests / seconds,
      tokensPerSecond: tokens / seconds,
      durationP50Ms: quantile(durations, 0.5),
      durationP99Ms: quantile(durations, 0.99),
      firstTokenP50Ms: quantile(firsts, 0.5),
      firstTokenP99Ms: quantile(firsts, 0.99),
      samples: durations.length,
    };
  }
}

/** Windows by name; when there are too many, the one that has been idle longest goes. */
export class TrafficWindows {
  private readonly windows = new Map<string, TrafficWindow>();

  constructor(
    private readonly now: () => number,
    private readonly maxWindows = 256,
  ) {}

  /** Takes a finished request in under a name. */
  add(name: string, record: Finished): void {
    const window = this.windows.get(name) ?? new TrafficWindow(this.now);
    // The map keeps the order in which names were last used.
    this.windows.delete(name);
    this.windows.set(name, window);
    window.add(record);
    const [longestIdle] = this.windows.keys();
    if (this.windows.size > this.maxWindows && longestIdle !== undefined) this.windows.delete(longestIdle);
  }

  /** The traffic under a name; undefined when there was none. */
  read(name: string): Traffic | undefined {
    return this.windows.get(name)?.read();
  }
}

function sorted(values: number[]): number[] {
  return values.sort((a, b) => a - b);
}

function quantile(values: readonly number[], share: number): number | undefined {
  return values[Math.min(values.length - 1, Math.floor(share * values.length))];
}
