import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startHost, type HostProcess } from '../../../../scripts/testing/host-process.mjs';
import { describeWithAll } from '../../../../scripts/testing/with-runtime.mjs';

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** Scenarios that judge what every host offers, with the number of checks they make; others want tools of their own. */
const scenarios: readonly [string, Record<string, number>][] = [
  [
    '2025-11-25',
    {
      'server-initialize': 3,
      ping: 2,
      'tools-list': 3,
      'resources-list': 2,
      'dns-rebinding-protection': 2,
      'server-session-lifecycle': 3,
      'server-sse-multiple-streams': 2,
    },
  ],
  [
    '2026-07-28',
    {
      'server-stateless': 30,
      'tools-list': 4,
      'resources-list': 2,
      'sep-2164-resource-not-found': 4,
      'http-header-validation': 14,
      'dns-rebinding-protection': 2,
      caching: 8,
      'server-sse-multiple-streams': 2,
      'input-required-result-unsupported-methods': 2,
    },
  ],
];

/** What the suite cannot try on a host without the tools and prompts that it looks for. */
const untried = [
  'sep-2575-http-server-no-independent-requests-on-stream',
  'sep-2575-server-no-log-without-loglevel',
  'sep-2575-server-rejects-undeclared-capability',
  'sep-2575-missing-capability-http-400',
  'sep-2549-prompts-list-caching-hints',
];

describeWithAll(['mcp-conformance', 'node24'], 'the conformance suite of MCP', (found) => {
  let folder: string;
  let host: HostProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mcp-conformance-'));
    host = await startHost({
      plugins: { 'llama-cpp': { config: { engine: 'embedded', demo: true } }, ollama: { enabled: false } },
    });
    await host.hasModel('llama-cpp/demo');
  }, 60_000);

  afterAll(async () => {
    await host.stop();
    await rm(folder, { recursive: true, force: true });
  }, 20_000);

  /** All checks of a revision by scenario. The suite ends with 1 when one failed: that is read from the checks. */
  async function judge(revision: string): Promise<Map<string, Check[]>> {
    const results = join(folder, revision);
    const suite = [found['mcp-conformance'].path, 'server', '--url', `${host.url}/mcp`];
    await new Promise<void>((resolve) => {
      execFile(
        found.node24.path,
        [...suite, '--requirements', revision, '-o', results],
        { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder }, timeout: 120_000 },
        () => {
          resolve();
        },
      );
    });
    const checks = new Map<string, Check[]>();
    for (const name of await readdir(results)) {
      const scenario = /^server-(.*?)-\d{4}-\d\d-\d\dT/.exec(name)?.[1] ?? name;
      const text = await readFile(join(results, name, 'checks.json'), 'utf8');
      checks.set(scenario, JSON.parse(text) as Check[]);
    }
    return checks;
  }

  it.each(scenarios)(
    'finds nothing wrong in revision %s, and every message valid by its schema',
    async (revision, expected) => {
      const checks = await judge(revision);
      const wrong = (list: readonly Check[]): string[] =>
        list
          .filter(({ id, status }) => status === 'FAILURE' && !untried.includes(id))
          .map(({ id, errorMessage }) => `${id}: ${errorMessage ?? ''}`);
      const asked = Object.keys(expected).map((scenario) => {
        const made = checks.get(scenario) ?? [];
        return [scenario, { checks: made.length, wrong: wrong(made) }];
      });
      const clean = Object.entries(expected).map(([scenario, count]) => [
        scenario,
        { checks: count, wrong: [] },
      ]);
      expect(Object.fromEntries(asked)).toEqual(Object.fromEntries(clean));
      const onTheWire = [...checks.values()].flat().filter(({ id }) => id === 'wire-schema-valid');
      expect(onTheWire.length).toBeGreaterThan(20);
      expect(wrong(onTheWire)).toEqual([]);
    },
    150_000,
  );
});
