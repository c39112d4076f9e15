import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { startHost } from '../../scripts/testing/host-process.mjs';
import { loadedScripts } from '../../scripts/testing/loaded-scripts.mjs';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));

/** Runs a host, does something with it, and tells which files of libraries it has loaded. */
function loadedBy(use: (host: Awaited<ReturnType<typeof startHost>>) => Promise<void>): Promise<string> {
  return loadedScripts(async (env) => {
    const host = await startHost(
      { bundledPlugins: false, plugins: { a: { command: [process.execPath, plugin] } } },
      { env },
    );
    try {
      await host.hasModel('a/oracle');
      await use(host);
    } finally {
      expect((await host.stop())?.code).toBe(0);
    }
  });
}

const headers = { accept: 'application/json, text/event-stream' };
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
  for (const library of ['@modelcontextprotocol/sdk', 'express', 'prom-client']) {
    expect(loaded).toContain(`/node_modules/${library}/`);
  }
}, 60_000);

it('a client of MCP up to 2025-11-25 connects and lists tools without the later SDK and without compiling schemas', async () => {
  const loaded = await loadedBy(async (host) => {
    const first = await host.post('/mcp', initialize, { headers });
    expect(await first.text()).toContain('"protocolVersion":"2025-11-25"');
    const session = {
      ...headers,
      'mcp-session-id': first.headers.get('mcp-session-id') ?? '',
      'mcp-protocol-version': '2025-11-25',
    };
    await host.post('/mcp', { jsonrpc: '2.0', method: 'notifications/initialized' }, { headers: session });
    const list = await host.post(
      '/mcp',
      { jsonrpc: '2.0', id: 2, method: 'tools/list' },
      { headers: session },
    );
    expect(await list.text()).toContain('"list_models"');
  });
  expect(loaded).toContain('/node_modules/@modelcontextprotocol/sdk/');
  expect(loaded).not.toContain('/node_modules/@modelcontextprotocol/server/');
  expect(loaded).not.toContain('/ajv/dist/2020.js');
}, 60_000);

it('a client of MCP 2026-07-28 connects and lists tools without the earlier SDK and without compiling schemas', async () => {
  const ask = { 'mcp-protocol-version': '2026-07-28' };
  const params = {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  };
  const loaded = await loadedBy(async (host) => {
    for (const method of ['server/discover', 'tools/list']) {
      const message = { jsonrpc: '2.0', id: 1, method, params };
      const answer = await host.post('/mcp', message, {
        headers: { ...headers, ...ask, 'mcp-method': method },
      });
      expect(answer.status).toBe(200);
      await answer.text();
    }
  });
  expect(loaded).toContain('/node_modules/@modelcontextprotocol/server/');
  expect(loaded).not.toContain('/node_modules/@modelcontextprotocol/sdk/');
  expect(loaded).not.toContain('/ajv/dist/2020.js');
}, 60_000);

it('MCP on stdio begins without Express and without the earlier SDK', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stdio-'));
  const plugins = { a: { command: [process.execPath, plugin] } };
  writeFileSync(join(folder, 'outrigger.json'), JSON.stringify({ bundledPlugins: false, plugins }));
  let said = '';
  try {
    const loaded = await loadedScripts(async (env) => {
      const child = spawn(process.execPath, [main, 'mcp'], {
        cwd: folder,
        // Where nobody listens, so that it starts a host of its own.
        env: { PATH: process.env.PATH, HOME: folder, PORT: '1', ...env },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const call = { name: 'list_models', arguments: {} };
      child.stdin.end(
        [initialize, { jsonrpc: '2.0', id: 2, method: 'tools/call', params: call }]
          .map((message) => `${JSON.stringify(message)}\n`)
          .join(''),
      );
      said = await text(child.stdout);
    });
    expect(said).toContain('oracle');
    expect(loaded).toContain('/node_modules/@modelcontextprotocol/server/');
    for (const library of ['@modelcontextprotocol/sdk', 'express']) {
      expect(loaded).not.toContain(`/node_modules/${library}/`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
