import type { Outcome, UsageLedger, UsageRecord } from '../usage-ledger.js';
import { BucketHistogram } from './bucket-histogram.js';

type Operation = UsageRecord['operation'];

/** What was measured of one model and operation. */
export interface OperationTally {
  readonly durations: Map<Outcome, BucketHistogram>;
  readonly firstToken: BucketHistogram;
  readonly perToken: BucketHistogram;
  readonly inputTokens: BucketHistogram;
  readonly outputTokens: BucketHistogram;
}

/** What was measured of one model. */
export interface ModelTally {
  readonly plugin: string;
  /** `plugin/model`. */
  readonly model: string;
  readonly operations: Map<Operation, OperationTally>;
}

/** Models with series of their own; further ones share one. */
const maxModels = 200;
export const otherModels = '(others)';

// The bounds that OpenTelemetry recommends for its metrics of generative models.
const durationBounds = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const firstTokenBounds = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
const perTokenBounds = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const tokenBounds = Array.from({ length: 14 }, (_, power) => 4 ** power);

/** Times and tokens of the requests to models, by model, since the host started. */
export class InferenceTally {
  private readonly models = new Map<string, ModelTally>();

  /** Begins to count what the ledger records. */
  constructor(ledger: Pick<UsageLedger, 'onRecord'>) {
    ledger.onRecord((record) => {
      this.note(record);
    });
  }

  list(): readonly ModelTally[] {
    return [...this.models.values()];
  }

  private note(record: UsageRecord): void {
    const { durationMs, firstTokenMs, inputTokens, outputTokens, outcome } = record;
    const tally = this.tallyOf(record);
    let durations = tally.durations.get(outcome);
    if (durations === undefined) {
      tally.durations.set(outcome, (durations = new BucketHistogram(durationBounds)));
    }
    durations.observe(durationMs / 1000);
    if (inputTokens !== undefined) tally.inputTokens.observe(inputTokens);
    if (outputTokens !== undefined) tally.outputTokens.observe(outputTokens);
    if (firstTokenMs === undefined) return;
    tally.firstToken.observe(firstTokenMs / 1000);
    if (outputTokens !== undefined && outputTokens > 1) {
      tally.perToken.observe((durationMs - firstTokenMs) / 1000 / (outputTokens - 1));
    }
  }

  private tallyOf({ model, plugin, operation }: UsageRecord): OperationTally {
    let one = this.models.get(model);
    if (one === undefined) {
      const own = this.models.size < maxModels;
      const key = own ? model : otherModels;
      one = this.models.get(key) ?? {
        plugin: own ? plugin : otherModels,
        model: key,
        operations: new Map<Operation, OperationTally>(),
      };
      this.models.set(key, one);
    }
    let tally = one.operations.get(operation);
    if (tally === undefined) {
      tally = {
        durations: new Map(),
        firstToken: new BucketHistogram(firstTokenBounds),
        perToken: new BucketHistogram(perTokenBounds),
        inputTokens: new BucketHistogram(tokenBounds),
        outputTokens: new BucketHistogram(tokenBounds),
      };
      one.operations.set(operation, tally);
    }
    return tally;
  }
}
