import { latencySeconds, rateSeconds, type Traffic } from '../../telemetry/traffic-window.js';
import type { Outcome, UsageTotals } from '../../telemetry/usage-ledger.js';

/** Where the figures come from. */
export interface StatsPort {
  readonly version: string;
  /** Milliseconds since the host started. */
  uptimeMs(): number;
  /** Sums per model since the start. */
  totals(): readonly UsageTotals[];
  /** Plugins and the ids of their instances. */
  plugins(): readonly { readonly name: string; readonly instances: readonly { instanceId: string }[] }[];
  /** Lately, by plugin; undefined when there was nothing. */
  pluginTraffic(name: string): Traffic | undefined;
  /** Lately, by instance. */
  instanceTraffic(instanceId: string): Traffic | undefined;
  /** Lately, all together. */
  hostTraffic(): Traffic;
}

/** The answer of `GET /mcp/v1/stats`. Rates per second, times in milliseconds, null for unknown. */
export function statsOf(port: StatsPort): object {
  return {
    version: port.version,
    uptime_ms: Math.round(port.uptimeMs()),
    rate_window_s: rateSeconds,
    latency_window_s: latencySeconds,
    totals: sumOf(port.totals()),
    traffic: trafficJson(port.hostTraffic()),
    plugins: port.plugins().map(({ name, instances }) => ({
      name,
      traffic: trafficJson(port.pluginTraffic(name)),
      instances: instances.map(({ instanceId }) => ({
        instance_id: instanceId,
        traffic: trafficJson(port.instanceTraffic(instanceId)),
      })),
    })),
  };
}

function sumOf(totals: readonly UsageTotals[]): object {
  const outcomes: Record<Outcome, number> = {
    complete: 0,
    truncated: 0,
    cancelled: 0,
    refused: 0,
    timed_out: 0,
    failed: 0,
  };
  const sum = { requests: 0, input_tokens: 0, output_tokens: 0, partial: 0, outcomes };
  for (const one of totals) {
    sum.requests += one.requests;
    sum.input_tokens += one.inputTokens;
    sum.output_tokens += one.outputTokens;
    sum.partial += one.partial;
    for (const outcome of Object.keys(outcomes) as Outcome[]) outcomes[outcome] += one.outcomes[outcome];
  }
  return sum;
}

function trafficJson(traffic: Traffic | undefined): object {
  return {
    requests_per_second: rounded(traffic?.requestsPerSecond ?? 0),
    tokens_per_second: rounded(traffic?.tokensPerSecond ?? 0),
    duration_p50_ms: rounded(traffic?.durationP50Ms),
    duration_p99_ms: rounded(traffic?.durationP99Ms),
    first_token_p50_ms: rounded(traffic?.firstTokenP50Ms),
    first_token_p99_ms: rounded(traffic?.firstTokenP99Ms),
    samples: traffic?.samples ?? 0,
  };
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 100) / 100;
}
