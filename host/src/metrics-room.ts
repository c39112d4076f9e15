import type { ConfigStatus } from './reload.js';
import type { EngineRoom } from './engine-room.js';
import { AnswerCounts } from './telemetry/metrics/answer-counts.js';
import { EventTally } from './telemetry/metrics/event-tally.js';
import { createExposition, type MetricsSource } from './telemetry/metrics/exposition.js';
import { hostMetrics } from './telemetry/metrics/host-metrics.js';
import { InferenceTally } from './telemetry/metrics/inference-tally.js';
import { hostVersion } from './version.js';

/** What the metrics are told of. */
export interface MetricsRoomOptions {
  readonly room: EngineRoom;
  readonly uptimeMs: () => number;
  /** Requests over HTTP that are being worked on. */
  readonly inFlight: () => number;
  /** Those of them whose client does not read. */
  readonly stalled: () => number;
  readonly config: () => ConfigStatus | undefined;
}

/** Begins to count, and renders what was counted. */
export function openMetrics(options: MetricsRoomOptions): MetricsSource & { readonly answers: AnswerCounts } {
  const { room, uptimeMs, inFlight, stalled, config } = options;
  const answers = new AnswerCounts();
  const readers = hostMetrics({
    version: hostVersion,
    uptimeMs,
    answers,
    inference: new InferenceTally(room.ledger),
    happenings: new EventTally(room.events),
    inFlight,
    stalled,
    totals: () => room.ledger.totals(),
    plugins: () => room.admin.list(),
    config,
  });
  return { answers, ...createExposition(readers) };
}
