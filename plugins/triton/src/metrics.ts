import { GetMetricsResponse, type Sample } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import type { Catalog } from './catalog/catalog.js';
import type { ModelStatistics, StatisticDuration } from './gen/inference/inference.js';
import type { Endpoint } from './server/endpoint.js';

type Phase = 'queue' | 'computeInput' | 'computeInfer' | 'computeOutput';

const phases: readonly Phase[] = ['queue', 'computeInput', 'computeInfer', 'computeOutput'];
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const seconds = (duration: StatisticDuration | undefined): number => Number(duration?.ns ?? 0n) / 1e9;
const count = (duration: StatisticDuration | undefined): number => Number(duration?.count ?? 0n);

/** What one model version has counted. */
function samplesOf(endpoint: Endpoint, stats: ModelStatistics): Sample[] {
  const labels = { endpoint: endpoint.name, model: stats.name, version: stats.version };
  const samples: Sample[] = [];
  const add = (name: string, help: string, value: number, more: Record<string, string> = {}): void => {
    samples.push({ name, help, value, counter: true, labels: { ...labels, ...more } });
  };
  const inference = stats.inferenceStats;
  add('triton_requests_total', 'Requests that the model has answered.', count(inference?.success), {
    outcome: 'success',
  });
  add('triton_requests_total', 'Requests that the model has answered.', count(inference?.fail), {
    outcome: 'failure',
  });
  add('triton_inferences_total', 'Inferences; a batch of n counts n.', Number(stats.inferenceCount));
  add('triton_executions_total', 'Executions; a batch counts one.', Number(stats.executionCount));
  for (const phase of phases) {
    add('triton_phase_seconds_total', 'Time spent per phase of a request.', seconds(inference?.[phase]), {
      phase: snake(phase),
    });
  }
  if (count(inference?.cacheHit) + count(inference?.cacheMiss) > 0) {
    add('triton_cache_total', 'Requests looked up in the response cache.', count(inference?.cacheHit), {
      outcome: 'hit',
    });
    add('triton_cache_total', 'Requests looked up in the response cache.', count(inference?.cacheMiss), {
      outcome: 'miss',
    });
  }
  // The keys are the place of an answer within its stream; only their sum is of interest.
  const responses = Object.values(stats.responseStats);
  if (responses.length > 0) {
    const sum = (pick: (one: (typeof responses)[number]) => StatisticDuration | undefined) =>
      responses.reduce((total, one) => total + count(pick(one)), 0);
    add(
      'triton_stream_responses_total',
      'Answers within streams.',
      sum((one) => one.success),
      { outcome: 'success' },
    );
    add(
      'triton_stream_responses_total',
      'Answers within streams.',
      sum((one) => one.fail),
      { outcome: 'failure' },
    );
    add(
      'triton_stream_responses_total',
      'Answers within streams.',
      sum((one) => one.cancel),
      { outcome: 'cancelled' },
    );
  }
  for (const memory of stats.memoryUsage) {
    samples.push({
      name: 'triton_model_memory_bytes',
      help: 'Memory of the model.',
      value: Number(memory.byteSize),
      counter: false,
      labels: { ...labels, type: memory.type, id: memory.id.toString() },
    });
  }
  return samples;
}

/** The figures of all endpoints that answer, and which ones do. */
export async function metrics(
  catalog: Catalog,
  inFlight: number,
  signal: AbortSignal,
): Promise<GetMetricsResponse> {
  const perEndpoint = await Promise.all(
    catalog.endpoints.map(async (endpoint): Promise<Sample[]> => {
      const up = {
        name: 'triton_endpoint_up',
        help: 'The endpoint answers.',
        counter: false,
        labels: { endpoint: endpoint.name },
      };
      try {
        const stats = await endpoint.statistics(signal);
        return [{ ...up, value: 1 }, ...stats.flatMap((one) => samplesOf(endpoint, one))];
      } catch {
        return [{ ...up, value: 0 }];
      }
    }),
  );
  const samples = perEndpoint.flat();
  if (samples.every((sample) => sample.name === 'triton_endpoint_up' && sample.value === 0)) {
    throw new PluginError('UPSTREAM_UNAVAILABLE', 'no endpoint answers', { retryAfterMs: 1_000 });
  }
  return GetMetricsResponse.create({ inFlight, samples });
}
