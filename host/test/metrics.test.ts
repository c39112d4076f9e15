import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import parse from 'parse-prometheus-text-format';
import { startHost, until } from '../../scripts/testing/host-process.mjs';
import { describeWith } from '../../scripts/testing/with-runtime.mjs';
import { metricTable } from '../src/telemetry/metrics/catalogue.js';

const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));
const key = 'key-of-the-tests';
const headers = { authorization: `Bearer ${key}` };
const config = {
  bundledPlugins: false,
  plugins: { a: { command: [process.execPath, plugin] } },
  auth: { apiKeys: [key] },
};

let host: Awaited<ReturnType<typeof startHost>>;
beforeAll(async () => {
  host = await startHost(config);
  await until(async () => (await fetch(`${host.url}/readyz`)).ok, 'the plugin');
});
afterAll(async () => {
  await host.stop();
});

const scrape = (accept = 'text/plain') => fetch(`${host.url}/metrics`, { headers: { ...headers, accept } });
const post = (path: string, body: object) => host.post(path, body, { headers });

/** The value of a series, by its name and some of its labels. */
async function value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const lines = (await (await scrape()).text()).split('\n');
  const found = lines.find(
    (line) =>
      (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) &&
      Object.entries(labels).every(([label, wanted]) => line.includes(`${label}="${wanted}"`)),
  );
  return found === undefined ? undefined : Number(found.slice(found.lastIndexOf(' ')));
}

it('are for those who may call, and for nobody else', async () => {
  const refused = await fetch(`${host.url}/metrics`);
  expect([refused.status, refused.headers.get('content-type')]).toEqual([401, 'application/problem+json']);
  const { status, headers: got } = await scrape();
  expect([status, got.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect((await scrape('application/openmetrics-text; version=1.0.0')).headers.get('content-type')).toBe(
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
  );
});

it('count requests by how they ended, times and tokens, under names that are known', async () => {
  const model = 'a/oracle';
  expect((await post('/v1/completions', { model, prompt: '1 5' })).status).toBe(200);
  expect((await post('/v1/completions', { model, prompt: '2 0' })).status).toBe(200);
  for (const unknown of ['x/"}\n1', 'none', 'a/none']) {
    expect((await post('/v1/completions', { model: unknown, prompt: 'x' })).status).toBe(404);
  }
  const of = { gen_ai_request_model: model, gen_ai_operation_name: 'text_completion' };
  expect(await value('outrigger_requests_total', { model, outcome: 'complete' })).toBe(2);
  expect(await value('gen_ai_server_request_duration_seconds_count', of)).toBe(2);
  expect(await value('gen_ai_server_request_duration_seconds_bucket', { ...of, le: '+Inf' })).toBe(2);
  expect(await value('gen_ai_server_time_to_first_token_seconds_count', of)).toBeGreaterThan(0);
  expect(
    await value('gen_ai_client_token_usage_sum', { ...of, gen_ai_token_type: 'output' }),
  ).toBeGreaterThan(0);
  expect(await value('outrigger_http_requests_total', { door: 'openai', code: '200' })).toBe(2);
  expect(await value('outrigger_errors_total', { door: 'openai', kind: 'model_not_found' })).toBe(3);
  expect(await (await scrape()).text()).not.toMatch(/none|x\//);
});

it('tell what runs and what waits', async () => {
  expect(await value('outrigger_plugin_state', { plugin: 'a', state: 'active' })).toBe(1);
  expect(await value('outrigger_plugin_state', { plugin: 'a', state: 'backoff' })).toBe(0);
  expect(await value('outrigger_plugin_info', { plugin: 'a', version: '1.0.0' })).toBe(1);
  expect(await value('outrigger_plugin_queue_depth', { plugin: 'a' })).toBe(0);
  const leaving = new AbortController();
  const open = await host.post(
    '/v1/completions',
    { model: 'a/oracle', prompt: '1 1000 50', stream: true },
    { headers, signal: leaving.signal },
  );
  await open.body?.getReader().read();
  expect(await value('outrigger_plugin_requests_in_flight', { plugin: 'a' })).toBe(1);
  leaving.abort();
  const cancelled = { model: 'a/oracle', outcome: 'cancelled' };
  await until(
    async () => (await value('outrigger_requests_total', cancelled)) === 1,
    'the end of the stream',
  );
  expect(await value('outrigger_plugin_requests_in_flight', { plugin: 'a' })).toBe(0);
});

it('count swaps and measure the exchange, and count crashes', async () => {
  expect((await post('/mcp/v1/plugins/a/swap', { bake_ms: 0 })).status).toBe(200);
  const bad = await post('/mcp/v1/plugins/a/swap', { command: [process.execPath, '-e', 'process.exit(3)'] });
  expect(bad.status).toBeGreaterThanOrEqual(400);
  expect(await value('outrigger_plugin_swaps_total', { plugin: 'a', outcome: 'committed' })).toBe(1);
  expect(await value('outrigger_plugin_swaps_total', { plugin: 'a', outcome: 'refused' })).toBe(1);
  expect(await value('outrigger_plugin_swap_commit_seconds_count', { plugin: 'a' })).toBe(1);
  expect(await value('outrigger_plugin_swap_commit_seconds_sum', { plugin: 'a' })).toBeGreaterThan(0);
  expect(await value('outrigger_plugin_crashes_total', { plugin: 'a' })).toBe(0);
});

it('tell of a configuration that was refused, until one is taken', async () => {
  const successful = 'outrigger_config_last_reload_successful';
  const timestamp = 'outrigger_config_last_reload_success_timestamp_seconds';
  const taken = await value(timestamp);
  expect([await value(successful), (taken ?? 0) > 1.6e9]).toEqual([1, true]);
  const file = join(host.folder, 'outrigger.json');
  await writeFile(file, '{"server":{"prot":1}}');
  await until(async () => (await value(successful)) === 0, 'the refusal');
  expect(await value('outrigger_config_reloads_total', { outcome: 'refused' })).toBeGreaterThan(0);
  expect(await value(timestamp)).toBe(taken);
  await writeFile(file, JSON.stringify({ ...config, server: { port: 0 }, models: { default: 'a/oracle' } }));
  await until(async () => (await value(successful)) === 1, 'the next one');
  expect(await value('outrigger_config_reloads_total', { outcome: 'taken' })).toBeGreaterThan(0);
  expect(await value(timestamp)).toBeGreaterThan(taken ?? Infinity);
});

it('are all in the page, each with its type, and a parser reads them', async () => {
  const text = await (await scrape()).text();
  const families = new Map(parse(text).map((family) => [family.name, family]));
  for (const [name, { type, help }] of Object.entries(metricTable)) {
    expect(text).toContain(`# TYPE ${name} ${type}\n`);
    expect(families.get(name)).toMatchObject({ type: type.toUpperCase(), help });
  }
  expect(families.get('process_resident_memory_bytes')?.metrics).toHaveLength(1);
});

it('write bounds for OpenMetrics as its specification wants them', async () => {
  const open = await (await scrape('application/openmetrics-text')).text();
  const bounds = new Set([...open.matchAll(/[{,]le="([^"]*)"/g)].map(([, bound]) => bound));
  for (const one of ['1e-06', '0.001', '1.0', '0.01', '4.194304e+06', '+Inf']) expect(bounds).toContain(one);
  expect([...bounds].filter((one = '') => /^\d+$/.test(one))).toEqual([]);
  expect(open).toMatch(/\n# EOF\n$/);
});

// The parsers of Prometheus' own client: order, duplicates, suffixes, buckets that fall, bounds that are not canonical.
const judge = `
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as strict
text = sys.stdin.read()
families = list((strict if sys.argv[1] == 'open' else parser).text_string_to_metric_families(text))
print(len(families), sum(len(f.samples) for f in families))
`;

describeWith('metrics-judge', 'and their strictest reader', (python) => {
  it.each([
    ['text', 'text/plain'],
    ['open', 'application/openmetrics-text; version=1.0.0'],
  ])('takes the format %s', async (format, accept) => {
    const input = await (await scrape(accept)).text();
    const { status, stdout, stderr } = spawnSync(python.path, ['-c', judge, format], {
      input,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    const [families = 0, samples = 0] = stdout.trim().split(' ').map(Number);
    expect(families).toBeGreaterThanOrEqual(Object.keys(metricTable).length);
    expect(samples).toBeGreaterThan(100);
  });
});
