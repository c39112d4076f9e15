import { metricTable } from './catalogue.js';

/** The table of metrics as a Markdown page. */
export function metricsDocument(): string {
  const rows = Object.entries(metricTable).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return [
    '<!-- Printed by `npm run generate:metrics` from host/src/telemetry/metrics/catalogue.ts. Do not edit. -->',
    '',
    '# Metrics',
    '',
    '`GET /metrics` tells them in the text format of Prometheus, and in OpenMetrics to those who ask for it with',
    '`Accept: application/openmetrics-text`, as Prometheus does. Who may call the host may scrape it: with `auth.apiKeys`',
    'a scraper needs one of the keys.',
    '',
    '```yaml',
    'scrape_configs:',
    '  - job_name: outrigger',
    '    authorization: { credentials_file: /run/secrets/outrigger-key } # only with auth.apiKeys',
    "    static_configs: [{ targets: ['127.0.0.1:7070'] }]",
    '```',
    '',
    'Nothing is computed before somebody scrapes; a request costs a few additions. Labels are bounded: plugins and models are',
    'those that are known (the 200 that were asked first have series of their own, further ones share `(others)`), and a',
    'request for a model that is not known counts in `outrigger_errors_total` under `model_not_found`, without its name.',
    '`gen_ai_provider_name` is the plugin and `gen_ai_request_model` is `plugin/model`. All doors count alike, MCP on stdio',
    'too; `outrigger_http_…` and `outrigger_errors_total` are of HTTP. Times are seconds.',
    '',
    '| metric | type | labels | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
    'Besides these: `process_…` (CPU, resident memory, open descriptors) and `nodejs_…` (heap, garbage collection, lag of the',
    'event loop) of the host process.',
    '',
    'Worth an alert: `outrigger_config_last_reload_successful == 0`,',
    '`outrigger_plugin_state{state="backoff"} == 1`, `increase(outrigger_plugin_crashes_total[10m]) > 0`,',
    '`outrigger_plugin_queue_depth > 0` for long, and the share of',
    '`rate(outrigger_requests_total{outcome=~"failed|truncated|timed_out"}[5m])`.',
    '',
  ].join('\n');
}
