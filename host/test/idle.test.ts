import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from '@jest/globals';
import { startHost } from '../../scripts/testing/host-process.mjs';

const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));

let clean: () => void = () => undefined;
afterEach(() => {
  clean();
});

/** Runs a host, does something with it, and tells which files of libraries it has loaded. */
async function loadedBy(
  use: (host: Awaited<ReturnType<typeof startHost>>) => Promise<void>,
): Promise<string> {
  // Node writes which scripts have run, for tools that measure coverage.
  const folder = mkdtempSync(join(tmpdir(), 'loaded-'));
  clean = () => rmSync(folder, { recursive: true, force: true });
  const host = await startHost(
    { bundledPlugins: false, plugins: { a: { command: [process.execPath, plugin] } } },
    { env: { NODE_V8_COVERAGE: folder } },
  );
  try {
    await host.hasModel('a/oracle');
    await use(host);
  } finally {
    expect((await host.stop())?.code).toBe(0);
  }
  return readdirSync(folder)
    .flatMap((name) => {
      const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
        result: { url: string }[];
      };
      return result.map(({ url }) => url);
    })
    .join('\n');
}

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};

it('a host that never had an MCP client does not load what is for MCP, nor what is for pages', async () => {
  const loaded = await loadedBy(async (host) => {
    const { status } = await host.post('/v1/completions', { model: 'a/oracle', prompt: '1 2' });
    expect(status).toBe(200);
    expect((await fetch(`${host.url}/readyz?verbose`)).status).toBe(200);
  });
  expect(loaded).toContain('/@grpc/grpc-js/');
  for (const library of ['@modelcontextprotocol', 'express', 'undici', 'prom-client']) {
    expect(loaded).not.toContain(`/node_modules/${library}/`);
  }
}, 60_000);

it('its first clients are answered though they load it, several at the same time', async () => {
  const loaded = await loadedBy(async (host) => {
    const headers = { accept: 'application/json, text/event-stream' };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => host.post('/mcp', initialize, { headers })),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('"protocolVersion":"2025-11-25"');
    }
    expect((await fetch(`${host.url}/`)).status).toBe(200);
    expect((await fetch(`${host.url}/metrics`)).status).toBe(200);
  });
  for (const library of ['@modelcontextprotocol', 'express', 'prom-client']) {
    expect(loaded).toContain(`/node_modules/${library}/`);
  }
}, 60_000);
