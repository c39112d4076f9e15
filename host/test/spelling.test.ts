import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startHost, until } from '../../scripts/testing/host-process.mjs';
import { outrigger } from './support/command.js';

const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));
const notes = fileURLToPath(new URL('../../examples/tools-plugin/dist/main-v1.js', import.meta.url));

let host: Awaited<ReturnType<typeof startHost>>;
beforeAll(async () => {
  host = await startHost({
    bundledPlugins: false,
    plugins: {
      a: { command: [process.execPath, plugin] },
      notes: { command: [process.execPath, notes] },
    },
  });
  await host.hasModel('a/oracle');
  await until(
    async () => ((await get('/mcp/v1/tools')) as { tools: object[] }).tools.length > 0,
    'the tools',
  );
}, 60_000);
afterAll(() => host.stop());

const get = async (path: string): Promise<unknown> => (await fetch(`${host.url}${path}`)).json();
const instances = async (): Promise<number> =>
  ((await get('/mcp/v1/plugins/a')) as { instances: object[] }).instances.length;
const post = async (path: string, body: object): Promise<unknown> => (await host.post(path, body)).json();

/** Names of fields that are not in snake_case. Schemas are JSON Schema, whose words are its own. */
function misspelt(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(misspelt);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'input_schema' || key === 'output_schema') return [];
    return [...(/^[a-z0-9_]+$/.test(key) ? [] : [key]), ...misspelt(inner)];
  });
}

async function resource(uri: string): Promise<unknown> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const response = await host.post(
    '/mcp',
    { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri, _meta: meta } },
    {
      headers: {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'resources/read',
        'mcp-name': uri,
      },
    },
  );
  const text = await response.text();
  const { result } = JSON.parse(text.startsWith('{') ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '')) as {
    result: { contents: { text: string }[] };
  };
  return JSON.parse(result.contents[0]?.text ?? '');
}

describe('names of fields', () => {
  it('are in snake_case at every address of REST', async () => {
    const swap = await post('/mcp/v1/plugins/a/swap', { bake_ms: 0 });
    await until(async () => (await instances()) === 1, 'the old instance is gone');
    const answers = {
      swap,
      reload: await post('/mcp/v1/config/reload', {}),
      chat: await post('/mcp/v1/chat', { model: 'a/oracle', prompt: '1 2' }),
      call: await post('/mcp/v1/tools/notes.add_note', { text: 'x' }),
      error: await post('/mcp/v1/chat', { prompt: 5 }),
      info: await get('/mcp/v1/info'),
      models: await get('/mcp/v1/models'),
      plugins: await get('/mcp/v1/plugins'),
      plugin: await get('/mcp/v1/plugins/a'),
      events: await get('/mcp/v1/events'),
      stats: await get('/mcp/v1/stats'),
      tools: await get('/mcp/v1/tools'),
      ready: await get('/readyz?verbose'),
      resource: await resource('events://recent'),
      usage: await resource('stats://usage'),
    };
    expect(swap).toMatchObject({ plugin: 'a', commit_ms: expect.any(Number) as unknown });
    expect(answers.plugin).toMatchObject({ instances: [{ in_flight: 0 }] });
    expect(misspelt(answers)).toEqual([]);
  });

  it('are the same in the events that are followed, and in what the commands print as JSON', async () => {
    const { events } = (await get('/mcp/v1/events')) as { events: { id: number }[] };
    const leaving = new AbortController();
    const stream = await fetch(`${host.url}/mcp/v1/events?follow=true`, { signal: leaving.signal });
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    while (!text.includes(`id: ${events.length}-`) || !text.endsWith('\n\n')) {
      text += Buffer.from((await reader.read()).value ?? []).toString();
    }
    leaving.abort();
    const followed = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as unknown);
    expect(followed).toEqual(events);
    const printed = await outrigger(['events', '--json', '--url', host.url], {});
    expect(
      printed.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(events);
    const listed = await outrigger(['plugins', '--json', '--url', host.url], {});
    expect({ plugins: JSON.parse(listed.stdout) as unknown }).toEqual(await get('/mcp/v1/plugins'));
    const shown = await outrigger(['plugins', 'show', 'a', '--json', '--url', host.url], {});
    expect(JSON.parse(shown.stdout)).toEqual(await get('/mcp/v1/plugins/a'));
  });

  it('are refused in the old spelling, with the field named', async () => {
    const answer = await post('/mcp/v1/plugins/a/swap', { bakeMs: 0 });
    expect(answer).toMatchObject({ status: 400, kind: 'invalid_request' });
    expect(JSON.stringify(answer)).toContain('bakeMs');
  });
});
