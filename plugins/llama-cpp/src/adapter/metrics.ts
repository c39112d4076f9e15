import type { GetMetricsResponse } from '@outrigger/proto';
import type { Engine } from '../engine/engine.js';

/** Figures of all engines together: sums, as no figure of one model means more than that to a host. */
export async function collectMetrics(
  engines: readonly Engine[],
  signal: AbortSignal,
): Promise<GetMetricsResponse> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(2_000)]);
  const all = await Promise.all(engines.map((engine) => engine.metrics(bound)));
  const samples = new Map<string, GetMetricsResponse['samples'][number]>();
  for (const { name, value, counter, help } of all.flatMap((metrics) => metrics.samples)) {
    samples.set(name, { name, labels: {}, value: (samples.get(name)?.value ?? 0) + value, counter, help });
  }
  const inFlight = all.reduce((sum, metrics) => sum + metrics.inFlight, 0);
  const slots = all.reduce((sum, metrics) => sum + metrics.slots, 0);
  const engineMemory = all.reduce((sum, metrics) => sum + (metrics.memoryBytes ?? 0), 0);
  return {
    inFlight,
    queued: all.reduce((sum, metrics) => sum + Math.max(0, metrics.inFlight - metrics.slots), 0),
    slots,
    memoryBytes: BigInt(process.memoryUsage.rss() + engineMemory),
    samples: [...samples.values()],
  };
}
