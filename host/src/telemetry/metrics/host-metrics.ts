import type { UsageRecord, UsageTotals } from '../usage-ledger.js';
import type { AnswerCounts } from './answer-counts.js';
import type { BucketHistogram } from './bucket-histogram.js';
import type { EventTally, PluginHappenings } from './event-tally.js';
import type { MetricReaders, Sample } from './exposition.js';
import type { InferenceTally, ModelTally, OperationTally } from './inference-tally.js';

/** What is shown of a plugin. */
export interface PluginFigures {
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly origin: string;
  readonly state: string;
  readonly restarts: number;
  readonly queued: number;
  readonly instances: readonly { readonly state: string; readonly inFlight: number }[];
}

/** Where the figures come from; read when somebody scrapes. */
export interface HostMetricsPort {
  readonly version: string;
  /** Milliseconds since the host started. */
  uptimeMs(): number;
  readonly answers: AnswerCounts;
  readonly inference: InferenceTally;
  readonly happenings: EventTally;
  /** Requests over HTTP that are being worked on, and streams of them that nobody reads. */
  inFlight(): number;
  stalled(): number;
  totals(): readonly UsageTotals[];
  plugins(): readonly PluginFigures[];
  /** Which configuration is in force; undefined where it cannot be read again. */
  config():
    | {
        readonly loaded_at: string;
        readonly error?: string;
        readonly restart_needed?: readonly string[];
        readonly refused?: Readonly<Record<string, string>>;
      }
    | undefined;
}

/** The words of OpenTelemetry for what the ledger calls an operation. */
const operationNames = {
  chat: 'chat',
  completion: 'text_completion',
  embed: 'embeddings',
} as const satisfies Record<UsageRecord['operation'], string>;

const pluginStates = ['starting', 'active', 'backoff', 'stopped'];

/** How each metric is read. */
export function hostMetrics(port: HostMetricsPort): MetricReaders {
  const { answers, inference, happenings } = port;
  const perPlugin = <V>(read: (plugin: PluginFigures) => readonly (readonly [object, V])[]) =>
    port
      .plugins()
      .flatMap((plugin) =>
        read(plugin).map(([more, value]): Sample<V> => [{ plugin: plugin.name, ...more }, value]),
      );
  const happened = <V>(read: (one: PluginHappenings) => V) =>
    happenings.list().map((one): Sample<V> => [{ plugin: one.plugin }, read(one)]);
  const measured = (read: (tally: OperationTally) => readonly (readonly [object, BucketHistogram])[]) =>
    inference.list().flatMap((model) => measurements(model, read));
  const config = (read: (now: NonNullable<ReturnType<HostMetricsPort['config']>>) => number) => {
    const now = port.config();
    return now === undefined ? [] : [[{}, read(now)] as const];
  };

  return {
    outrigger_build_info: () => [[{ version: port.version, node_version: process.version }, 1]],
    outrigger_uptime_seconds: () => [[{}, port.uptimeMs() / 1000]],
    outrigger_http_requests_total: () =>
      answers.answers().map(({ door, what, count }) => [{ door, code: what }, count]),
    outrigger_http_requests_in_flight: () => [[{}, port.inFlight()]],
    outrigger_http_streams_stalled: () => [[{}, port.stalled()]],
    outrigger_errors_total: () =>
      answers.errors().map(({ door, what, count }) => [{ door, kind: what }, count]),
    outrigger_requests_total: () =>
      port
        .totals()
        .flatMap(({ model, outcomes }) =>
          Object.entries(outcomes).map(([outcome, count]): Sample<number> => [
            { plugin: pluginOf(model), model, outcome },
            count,
          ]),
        ),
    outrigger_usage_incomplete_total: () =>
      port.totals().map(({ model, partial }) => [{ plugin: pluginOf(model), model }, partial]),
    gen_ai_server_request_duration_seconds: () =>
      measured(({ durations }) =>
        [...durations].map(([outcome, counted]) => [
          outcome === 'complete' ? {} : { error_type: outcome },
          counted,
        ]),
      ),
    gen_ai_server_time_to_first_token_seconds: () => measured((tally) => some({}, tally.firstToken)),
    gen_ai_server_time_per_output_token_seconds: () => measured((tally) => some({}, tally.perToken)),
    gen_ai_client_token_usage: () =>
      measured((tally) => [
        ...some({ gen_ai_token_type: 'input' }, tally.inputTokens),
        ...some({ gen_ai_token_type: 'output' }, tally.outputTokens),
      ]),
    outrigger_plugin_info: () =>
      perPlugin(({ version, runtime, origin }) => [[{ version, runtime, origin }, 1]]),
    outrigger_plugin_state: () =>
      perPlugin((plugin) => pluginStates.map((state) => [{ state }, plugin.state === state ? 1 : 0])),
    outrigger_plugin_instances: () =>
      perPlugin(({ instances }) => {
        const counts = new Map<string, number>();
        for (const { state } of instances) counts.set(state, (counts.get(state) ?? 0) + 1);
        return [...counts].map(([state, count]) => [{ state }, count] as const);
      }),
    outrigger_plugin_requests_in_flight: () =>
      perPlugin(({ instances }) => [[{}, instances.reduce((sum, { inFlight }) => sum + inFlight, 0)]]),
    outrigger_plugin_queue_depth: () => perPlugin(({ queued }) => [[{}, queued]]),
    outrigger_plugin_restarts_total: () => perPlugin(({ restarts }) => [[{}, restarts]]),
    outrigger_plugin_crashes_total: () => happened(({ crashes }) => crashes),
    outrigger_plugin_rejections_total: () => happened(({ rejections }) => rejections),
    outrigger_plugin_swaps_total: () =>
      happenings
        .list()
        .flatMap(({ plugin, swaps }) =>
          [...swaps].map(([outcome, count]): Sample<number> => [{ plugin, outcome }, count]),
        ),
    outrigger_plugin_swap_commit_seconds: () => happened(({ commit }) => commit),
    outrigger_plugin_swap_prepare_seconds: () => happened(({ prepare }) => prepare),
    outrigger_plugin_swap_pause_seconds: () => happened(({ pause }) => pause),
    outrigger_config_reloads_total: () =>
      Object.entries(happenings.reloads).map(([outcome, count]) => [{ outcome }, count]),
    outrigger_config_last_reload_successful: () => config(({ error }) => (error === undefined ? 1 : 0)),
    outrigger_config_last_reload_success_timestamp_seconds: () =>
      config(({ loaded_at }) => Date.parse(loaded_at) / 1000),
    outrigger_config_plugins_refused: () => config(({ refused = {} }) => Object.keys(refused).length),
    outrigger_config_restart_needed: () => config(({ restart_needed = [] }) => restart_needed.length),
  };
}

function measurements(
  { plugin, model, operations }: ModelTally,
  read: (tally: OperationTally) => readonly (readonly [object, BucketHistogram])[],
): Sample<BucketHistogram>[] {
  return [...operations].flatMap(([operation, tally]) =>
    read(tally).map(([more, counted]): Sample<BucketHistogram> => [
      {
        gen_ai_operation_name: operationNames[operation],
        gen_ai_provider_name: plugin,
        gen_ai_request_model: model,
        ...more,
      },
      counted,
    ]),
  );
}

/** Nothing where nothing was measured: no series of zeros for times that a model cannot have. */
function some(labels: object, counted: BucketHistogram): readonly (readonly [object, BucketHistogram])[] {
  return counted.count === 0 ? [] : [[labels, counted]];
}

function pluginOf(model: string): string {
  return model.split('/', 1)[0] ?? model;
}
