import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startHost, type HostProcess } from '../../../../scripts/testing/host-process.mjs';
import { writeDemoModel } from '../../src/demo-model/demo-model.js';

let host: HostProcess;

beforeAll(async () => {
  host = await startHost({
    server: { maxBodyBytes: 1024 * 1024 },
    plugins: { 'llama-cpp': { config: { engine: 'embedded', demo: true } }, ollama: { enabled: false } },
  });
  await host.hasModel('llama-cpp/demo');
}, 60_000);

afterAll(async () => {
  await host.stop();
}, 20_000);

const message = [{ role: 'user', content: 'Hello' }];
const bodies: readonly [string, string | Uint8Array | object, number][] = [
  ['no JSON', '{"model":', 400],
  ['an array', '[]', 400],
  ['nothing', '', 400],
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400],
  ['10,000 levels', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 400],
  ['__proto__', '{"__proto__":{"polluted":true},"model":"demo"}', 400],
  ['wrong types', { model: 7, messages: 'x' }, 400],
  ['no messages', { model: 'demo' }, 400],
  ['empty messages', { model: 'demo', messages: [] }, 400],
  ['an unknown role', { model: 'demo', messages: [{ role: 'robot', content: 'x' }] }, 400],
  ['a temperature of 99', { model: 'demo', messages: message, temperature: 99 }, 400],
  ['minus one token', { model: 'demo', messages: message, max_tokens: -1 }, 400],
  ['an unknown model', { model: 'demmo', messages: message }, 404],
  [
    'a prompt too long',
    { model: 'demo', messages: [{ role: 'user', content: 'word '.repeat(180_000) }] },
    400,
  ],
  [
    'a body too large',
    { model: 'demo', messages: [{ role: 'user', content: 'x'.repeat(2 * 1024 * 1024) }] },
    413,
  ],
];

describe.each(['/v1/chat/completions', '/mcp/v1/chat'])('bad input at %s', (path) => {
  it.each(bodies)('%s', async (_what, body, status) => {
    const response = await host.post(path, body);
    const text = await response.text();
    expect([response.status, text.slice(0, 300)]).toEqual([status, text.slice(0, 300)]);
    expect(response.headers.get('content-type')).toMatch(/json/);
    // Neither a stack nor a path nor a page.
    expect(text).not.toMatch(/\n\s+at |node_modules|\/dist\/|<html/i);
    const answer = JSON.parse(text);
    if (path.startsWith('/v1'))
      expect(Object.keys(answer.error).sort()).toEqual(['code', 'message', 'param', 'type']);
    else expect(answer).toMatchObject({ status, kind: expect.any(String), title: expect.any(String) });
  });
});

it('answers all the same afterwards', async () => {
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  const response = await host.post('/v1/chat/completions', { messages: message });
  expect(response.status).toBe(200);
});

it('picks up a model file that is put into the folder while it runs', async () => {
  const folder = join(host.folder, 'models');
  await mkdir(folder, { recursive: true });
  const made = join(host.folder, 'made.gguf');
  await writeDemoModel(made, 'demo');
  await copyFile(made, join(folder, 'mine.gguf'));
  await host.hasModel('llama-cpp/mine');
  const response = await host.post('/v1/chat/completions', { model: 'mine', messages: message });
  expect(((await response.json()) as any).choices[0].message.content).toContain('demo model of Outrigger');
  expect(await readdir(folder)).toContain('mine.gguf');
}, 40_000);
