import type { ErrorKind } from '../errors/error-table.js';

/** How a request to a model ended: one word, the same at every door, in the ledger and in the metrics. */
export type Outcome = 'complete' | 'truncated' | 'cancelled' | 'refused' | 'timed_out' | 'failed';

/** The outcome of each kind of error; a missing row does not compile. */
export const outcomeOf = {
  invalid_request: 'refused',
  unsupported_parameter: 'refused',
  context_length_exceeded: 'refused',
  unsupported_operation: 'refused',
  unauthenticated: 'refused',
  permission_denied: 'refused',
  model_not_found: 'refused',
  not_found: 'refused',
  method_not_allowed: 'refused',
  conflict: 'refused',
  payload_too_large: 'refused',
  unsupported_media_type: 'refused',
  rate_limited: 'refused',
  quota_exceeded: 'refused',
  queue_full: 'refused',
  out_of_memory: 'failed',
  model_loading: 'refused',
  model_unavailable: 'refused',
  plugin_unavailable: 'failed',
  upstream_unavailable: 'failed',
  upstream_error: 'failed',
  upstream_unauthenticated: 'refused',
  first_token_timeout: 'timed_out',
  idle_timeout: 'timed_out',
  total_timeout: 'timed_out',
  content_filtered: 'refused',
  cancelled: 'cancelled',
  truncated: 'truncated',
  internal: 'failed',
} as const satisfies Record<ErrorKind, Outcome>;

/** One finished request to a model. */
export interface UsageRecord {
  readonly requestId: string;
  /** `plugin/model`. */
  readonly model: string;
  readonly plugin: string;
  readonly pluginVersion: string;
  readonly instanceId: string;
  readonly operation: 'chat' | 'completion' | 'embed';
  readonly door: string;
  readonly outcome: Outcome;
  /** Undefined when unknown; never zero for unknown. */
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  /** The answer was cut: the tokens are a lower bound. */
  readonly partial: boolean;
  /** Counted by the host or the plugin and not by the runtime. */
  readonly estimated: boolean;
  /** Milliseconds from arrival to the first token; undefined when none came. */
  readonly firstTokenMs: number | undefined;
  readonly durationMs: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Sums over all requests to one model. */
export interface UsageTotals {
  readonly model: string;
  requests: number;
  inputTokens: number;
  outputTokens: number;
  /** Requests whose tokens are only partly known. */
  partial: number;
  outcomes: Record<Outcome, number>;
}

const maxModels = 1000;
const maxRecords = 1000;

/** What was used, in memory: totals per model and the last records. Both are bounded. */
export class UsageLedger {
  private readonly totals_ = new Map<string, UsageTotals>();
  private readonly records_: UsageRecord[] = [];
  private next = 0;
  private readonly listeners = new Set<(entry: UsageRecord) => void>();

  /** Calls `listener` with every finished request; returns the way to stop. It must not throw. */
  onRecord(listener: (entry: UsageRecord) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Takes a finished request in. */
  record(entry: UsageRecord): void {
    const key = this.totals_.has(entry.model) || this.totals_.size < maxModels ? entry.model : '(others)';
    let totals = this.totals_.get(key);
    if (totals === undefined) {
      totals = {
        model: key,
        requests: 0,
        inputTokens: 0,
        outputTokens: 0,
        partial: 0,
        outcomes: { complete: 0, truncated: 0, cancelled: 0, refused: 0, timed_out: 0, failed: 0 },
      };
      this.totals_.set(key, totals);
    }
    totals.requests += 1;
    totals.inputTokens += entry.inputTokens ?? 0;
    totals.outputTokens += entry.outputTokens ?? 0;
    totals.partial += entry.partial ? 1 : 0;
    totals.outcomes[entry.outcome] += 1;
    this.records_[this.next] = entry;
    this.next = (this.next + 1) % maxRecords;
    for (const listener of this.listeners) listener(entry);
  }

  /** Totals in the order of the models' names. */
  totals(): readonly UsageTotals[] {
    return [...this.totals_.values()].sort((a, b) => (a.model < b.model ? -1 : 1));
  }

  /** The last records, the newest first. */
  recent(count = 50): readonly UsageRecord[] {
    const ordered = [...this.records_.slice(this.next), ...this.records_.slice(0, this.next)];
    return ordered.reverse().slice(0, count);
  }
}
