/** What is told about a metric. */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

const model = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'];

/**
 * Every metric of the host itself; docs/metrics.md is printed from it, and a metric
 * that nobody reads does not compile. Names as Prometheus and OpenTelemetry have them.
 */
export const metricTable = {
  outrigger_build_info: gauge(['version', 'node_version'], 'Always 1; which host this is.'),
  outrigger_uptime_seconds: gauge([], 'How long the host has run.'),
  outrigger_http_requests_total: counter(
    ['door', 'code'],
    'Requests answered over HTTP, by door and status; 499 when the caller left first.',
  ),
  outrigger_http_requests_in_flight: gauge([], 'Requests over HTTP that are being worked on.'),
  outrigger_http_streams_stalled: gauge(
    [],
    'Streams whose client takes no bytes; they give way to requests that wait (server.stallTimeoutMs).',
  ),
  outrigger_errors_total: counter(
    ['door', 'kind'],
    'Requests over HTTP that ended with an error, by its kind; also those that named no known model.',
  ),
  outrigger_requests_total: counter(
    ['plugin', 'model', 'outcome'],
    'Requests to models that are over, by how they ended; one word for it at every door.',
  ),
  outrigger_usage_incomplete_total: counter(
    ['plugin', 'model'],
    'Requests whose tokens are known in part only: a lower bound.',
  ),
  gen_ai_server_request_duration_seconds: histogram(
    [...model, 'error_type'],
    'From the arrival of a request to the end of its answer; error_type is how it ended unless it is complete.',
  ),
  gen_ai_server_time_to_first_token_seconds: histogram(
    model,
    'From the arrival of a request to the first token.',
  ),
  gen_ai_server_time_per_output_token_seconds: histogram(
    model,
    'Time per token after the first, mean of each answer.',
  ),
  gen_ai_client_token_usage: histogram(
    [...model, 'gen_ai_token_type'],
    'Tokens of each request; its sum counts all tokens of a type (input, output).',
  ),
  outrigger_plugin_info: gauge(
    ['plugin', 'version', 'runtime', 'origin'],
    'Always 1; which plugins there are.',
  ),
  outrigger_plugin_state: gauge(
    ['plugin', 'state'],
    '1 for the state that the plugin is in, 0 for the others.',
  ),
  outrigger_plugin_instances: gauge(
    ['plugin', 'state'],
    'Instances of the plugin, by the state they are in.',
  ),
  outrigger_plugin_requests_in_flight: gauge(
    ['plugin'],
    'Requests that lease an instance of the plugin now, draining ones included.',
  ),
  outrigger_plugin_queue_depth: gauge(['plugin'], 'Requests that wait for the plugin.'),
  outrigger_plugin_restarts_total: counter(['plugin'], 'Starts of the plugin after it failed.'),
  outrigger_plugin_crashes_total: counter(['plugin'], 'Instances that ended by themselves.'),
  outrigger_plugin_rejections_total: counter(['plugin'], 'Instances that were not good enough to take over.'),
  outrigger_plugin_swaps_total: counter(
    ['plugin', 'outcome'],
    'Swaps: committed, refused (the old instance goes on), rolled_back (it came back afterwards).',
  ),
  outrigger_plugin_swap_commit_seconds: histogram(['plugin'], 'The exchange itself: one synchronous step.'),
  outrigger_plugin_swap_prepare_seconds: histogram(
    ['plugin'],
    'From the beginning of a swap to the commit, while the old instance serves.',
  ),
  outrigger_plugin_swap_pause_seconds: histogram(
    ['plugin'],
    'Time without an instance in which requests waited; 0 for overlapping swaps.',
  ),
  outrigger_config_reloads_total: counter(
    ['outcome'],
    'Attempts to take the configuration again: taken, refused.',
  ),
  outrigger_config_last_reload_successful: gauge(
    [],
    '0 when the last configuration that was read could not be taken and the one before is in force.',
  ),
  outrigger_config_last_reload_success_timestamp_seconds: gauge(
    [],
    'When the configuration in force was taken, seconds since the epoch.',
  ),
  outrigger_config_plugins_refused: gauge(
    [],
    'Plugins that did not take what the configuration in force says and go on as they were.',
  ),
  outrigger_config_restart_needed: gauge(
    [],
    'Options that differ in the file and count only after a restart.',
  ),
} as const satisfies Readonly<Record<string, MetricRow>>;

/** Name of a metric. */
export type MetricName = keyof typeof metricTable;

function counter(labels: readonly string[], help: string) {
  return { type: 'counter', labels, help } as const;
}
function gauge(labels: readonly string[], help: string) {
  return { type: 'gauge', labels, help } as const;
}
function histogram(labels: readonly string[], help: string) {
  return { type: 'histogram', labels, help } as const;
}
