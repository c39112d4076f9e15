import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startHost, until, type HostProcess } from '../../scripts/testing/host-process.mjs';

const fixture = fileURLToPath(new URL('./fixtures/versioned-plugin.mjs', import.meta.url));
let host: HostProcess;

beforeAll(async () => {
  const version = (built: string) => ({ command: [process.execPath, fixture, built] });
  host = await startHost({
    bundledPlugins: false,
    plugins: { old: version('1.0.0'), new: version('2.0.0') },
  });
  await host.hasModel('old/say');
  await host.hasModel('new/say');
}, 40_000);

afterAll(async () => {
  await host.stop();
}, 20_000);

async function ask(model: string): Promise<any> {
  const response = await host.post('/v1/chat/completions', {
    model,
    messages: [{ role: 'user', content: 'x' }],
  });
  const body = (await response.json()) as any;
  return response.ok ? body.choices[0].message.content : body.error.code;
}

it('runs two versions of one plugin side by side, and a request may pin one', async () => {
  expect(await ask('old/say')).toBe('1.0.0');
  expect(await ask('new/say')).toBe('2.0.0');
  expect(await ask('versioned@1.0.0/say')).toBe('1.0.0');
  expect(await ask('versioned@2.0.0/say')).toBe('2.0.0');
  expect(await ask('old@1.0.0/say')).toBe('1.0.0');
  expect(await ask('old@2.0.0/say')).toBe('model_not_found');
  expect(await ask('versioned@3.0.0/say')).toBe('model_not_found');
});

it('does not pin to a version that was swapped away', async () => {
  const swapped = await host.post('/mcp/v1/plugins/old/swap', {
    command: [process.execPath, fixture, '1.1.0'],
  });
  expect(swapped.status).toBe(200);
  await until(async () => (await ask('versioned@1.1.0/say')) === '1.1.0', 'the new version is known');
  expect(await ask('versioned@1.0.0/say')).toBe('model_not_found');
}, 30_000);
