import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { descendants, startHost, until } from '../../scripts/testing/host-process.mjs';
import { outrigger } from './support/command.js';

const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));
const oracle = (env: Record<string, string> = {}) => ({ command: [process.execPath, plugin], env });

interface Info {
  readonly config: {
    readonly file: string;
    readonly generation: number;
    readonly error?: string;
    readonly restart_needed?: readonly string[];
    readonly refused?: Readonly<Record<string, string>>;
  };
  readonly plugins: readonly { readonly name: string; readonly version: string; readonly state: string }[];
}

let host: Awaited<ReturnType<typeof startHost>>;
afterEach(async () => {
  await host.stop();
});

async function start(config: object, env: Record<string, string> = {}): Promise<void> {
  host = await startHost({ bundledPlugins: false, ...config }, { env });
}

/** Writes the configuration as an editor does: a new file in the place of the old one. */
async function edit(config: object): Promise<void> {
  await editText(JSON.stringify({ bundledPlugins: false, ...config, server: { port: 0 } }));
}
async function editText(text: string): Promise<void> {
  const file = join(host.folder, 'outrigger.json');
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

const info = async (headers: Record<string, string> = {}): Promise<Info> =>
  (await (await fetch(`${host.url}/mcp/v1/info`, { headers })).json()) as Info;
const generation = (wanted: number) =>
  until(async () => (await info()).config.generation >= wanted, `configuration ${wanted}`);
const chat = (model: string, content: string) =>
  host.post('/v1/completions', { model, prompt: content }).then(async (response) => ({
    status: response.status,
    text: await response.text(),
  }));

/** Begins a stream and resolves with its pieces as soon as the first has come. */
async function stream(prompt: string) {
  const response = await host.post('/v1/completions', { model: 'a/oracle', prompt, stream: true });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = Buffer.from((await reader.read()).value ?? []).toString();
  const whole = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += Buffer.from(part.value).toString();
    return text;
  })();
  return { whole };
}

describe('the configuration of a running host', () => {
  it('adds, takes out and exchanges plugins when the file changes, under a running stream', async () => {
    await start({ plugins: { a: oracle(), b: oracle() } });
    await host.hasModel('a/oracle');
    await host.hasModel('b/oracle');
    const { whole } = await stream('1 60 50');
    await edit({
      plugins: { a: oracle({ ORACLE_VERSION: '2.0.0' }), c: oracle() },
      models: { aliases: { mine: 'a/oracle' } },
    });
    await generation(2);
    await host.hasModel('c/oracle');
    const { plugins, config } = await info();
    expect(plugins.map(({ name, version }) => [name, version])).toEqual([
      ['a', '2.0.0'],
      ['c', '1.0.0'],
    ]);
    expect(config).not.toHaveProperty('error');
    expect((await chat('mine', '1 2 0')).status).toBe(200);
    expect((await chat('b/oracle', '1 2 0')).status).toBe(404);
    // The old instance has answered to the end.
    const text = await whole;
    expect(text).toContain('"text":"59:');
    expect(text).toContain('data: [DONE]');
  }, 60_000);

  it('stays as it was when the file is bad or gone, and says why everywhere', async () => {
    await start({ plugins: { a: oracle() } });
    await host.hasModel('a/oracle');
    await editText('{ "plugins": { "a": { "comand": ["x"] } } }');
    await until(async () => (await info()).config.error !== undefined, 'the refusal');
    const { config, plugins } = await info();
    expect(config.error).toContain('unknown option; did you mean "command"?');
    expect(config.generation).toBe(1);
    expect(plugins).toMatchObject([{ name: 'a', state: 'active' }]);
    expect(host.stderr()).toContain('the configuration was not taken');
    const events = await (await fetch(`${host.url}/mcp/v1/events`)).text();
    expect(events).toContain('the configuration was not taken, the old one stays in force');
    expect((await chat('a/oracle', '1 2 0')).status).toBe(200);

    const refused = await outrigger(['config', 'reload', '--url', host.url]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('did you mean "command"?');

    await rename(join(host.folder, 'outrigger.json'), join(host.folder, 'elsewhere.json'));
    await until(async () => (await info()).config.error?.includes('there is no such file'), 'it is gone');
    expect((await info()).plugins).toMatchObject([{ name: 'a', state: 'active' }]);

    // As while an editor writes it, or when the disk is full.
    await editText('');
    await until(async () => (await info()).config.error?.includes('is empty'), 'it is empty');
    expect((await info()).plugins).toMatchObject([{ name: 'a', state: 'active' }]);

    await edit({ plugins: { a: oracle() } });
    await generation(2);
    expect((await info()).config).not.toHaveProperty('error');
  }, 60_000);

  it('tells which plugin did not take it, and why, until one is taken whole', async () => {
    await start({ plugins: { a: oracle() } });
    await host.hasModel('a/oracle');
    const gauge = async () => {
      const text = await (await fetch(`${host.url}/metrics`)).text();
      return /^outrigger_config_plugins_refused (\d)$/m.exec(text)?.[1];
    };
    await edit({ plugins: { a: { ...oracle(), config: { refuse: true } } } });
    await generation(2);
    expect((await info()).config.refused).toEqual({ a: 'configuration refused: refuse: must not be true' });
    expect(await gauge()).toBe('1');
    await edit({ plugins: { a: oracle() } });
    await generation(3);
    expect((await info()).config).not.toHaveProperty('refused');
    expect(await gauge()).toBe('0');
  }, 60_000);

  it('is taken on SIGHUP and on request: keys count at once, what needs a restart is named', async () => {
    await start({ plugins: {} });
    const key = { authorization: 'Bearer the-first-key' };
    // The same moment of change: the signal tells, the watch finds nothing new.
    await editText(
      JSON.stringify({
        bundledPlugins: false,
        server: { port: 0, maxInFlight: 7 },
        auth: { apiKeys: ['the-first-key'] },
        admin: { apiKey: 'the-admin-key' },
      }),
    );
    host.kill('SIGHUP');
    await until(async () => (await fetch(`${host.url}/mcp/v1/info`)).status === 401, 'the key is asked for');
    expect(host.stderr()).toContain('(SIGHUP)');
    expect((await info(key)).config.restart_needed).toEqual(['server.maxInFlight']);

    const reload = (bearer: string) =>
      host.post('/mcp/v1/config/reload', {}, { headers: { authorization: `Bearer ${bearer}` } });
    expect((await reload('the-first-key')).status).toBe(401);
    expect((await reload('the-admin-key')).status).toBe(200);
    const told = await outrigger(['config', 'reload', '--url', host.url], {
      OUTRIGGER_ADMIN_KEY: 'the-admin-key',
    });
    expect(told.code).toBe(0);
    expect(told.stdout).toMatch(/^Configuration \d+ is in force: the plugins are as they were\.\n$/);
    expect(told.stderr).toContain('warning: server.maxInFlight has changed, which needs a restart');
  }, 60_000);

  it('keeps a key that the listener needs', async () => {
    await start({ server: { host: '0.0.0.0' }, auth: { apiKeys: ['the-first-key'] } });
    // A loopback address would need no key, but that address is not the one that listens.
    await editText('{ "bundledPlugins": false, "server": { "host": "127.0.0.1", "port": 0 } }');
    const key = { authorization: 'Bearer the-first-key' };
    await until(async () => (await info(key)).config.error !== undefined, 'the refusal');
    expect((await info(key)).config.error).toContain('nothing asks callers for a key');
    expect((await fetch(`${host.url}/mcp/v1/info`)).status).toBe(401);
  }, 60_000);
});

describe('the environment of a plugin', () => {
  it('holds what it was granted by name and by prefix, and nothing else of the host', async () => {
    const secrets = ['FIXTURE_*', 'ONE_KEY'];
    await start(
      { plugins: { a: { ...oracle(), secrets }, b: oracle() } },
      { FIXTURE_HOST: 'there:1', ONE_KEY: 'k', ONE_KEY_MORE: 'no', OTHER_SECRET: 'no' },
    );
    await host.hasModel('a/oracle');
    await host.hasModel('b/oracle');
    const environments = descendants(host.pid)
      .filter(({ commandLine }) => commandLine.includes('oracle-plugin'))
      .map(({ pid }) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'))
      .map((lines) =>
        lines
          .filter((line) => /^(FIXTURE|ONE|OTHER)_/.test(line))
          .sort()
          .join(' '),
      );
    // A plugin may be more than one process: what guards it is in its group.
    expect([...new Set(environments)].sort()).toEqual(['', 'FIXTURE_HOST=there:1 ONE_KEY=k']);
  }, 60_000);
});
