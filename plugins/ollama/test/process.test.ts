import { describe, it, expect, afterEach } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { collect, connectPlugin, fakeRuntime, type PluginClient } from '@outrigger/sdk-plugin/testing';
import { chatLine, lastLine, lines } from './fake-ollama.js';
import { until } from './real-server.js';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

describe('the plugin as a process', () => {
  let child: ChildProcess | undefined;
  let client: PluginClient | undefined;
  let directory = '';

  const start = async (environment: Record<string, string>): Promise<PluginClient> => {
    directory = await mkdtemp(join(tmpdir(), 'plugin-'));
    const socket = join(directory, 'p.sock');
    child = spawn(process.execPath, [main], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], PLUGIN_ENDPOINT: `unix://${socket}`, ...environment },
    });
    await until('the plugin listens', () => existsSync(socket));
    client = connectPlugin(`unix://${socket}`);
    await client.configure({});
    return client;
  };

  afterEach(async () => {
    client?.close();
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await rm(directory, { recursive: true, force: true });
  });

  it('serves, answers, and exits with 0 when it is shut down', async () => {
    await using ollama = await fakeRuntime({ 'POST /api/chat': lines(chatLine('Hello'), lastLine()) });
    const used = await start({ OLLAMA_HOST: ollama.url });
    expect(await used.health()).toBe('SERVING');
    expect(await used.info()).toMatchObject({ name: 'ollama', displayName: 'Ollama' });
    const known = (await used.capabilities()).parameters;
    expect(known.find(({ name }) => name === 'num_ctx')?.schemaJson).toContain('integer');
    expect(known.map(({ name }) => name)).not.toContain('typical_p');
    expect((await collect(used.generate({ model: 'm', user: 'hi' }))).text).toBe('Hello');
    let output = '';
    child?.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const gone = once(child as ChildProcess, 'exit');
    await used.shutdown(1_000);
    expect((await gone)[0]).toBe(0);
    expect(output).toBe('');
  });

  it('serves without an Ollama', async () => {
    const used = await start({ OLLAMA_HOST: '127.0.0.1:1' });
    expect(await used.health()).toBe('SERVING');
    expect(await used.listModels()).toEqual([]);
    await expect(collect(used.generate({ model: 'm', user: 'hi' }))).rejects.toMatchObject({
      reason: 'UPSTREAM_UNAVAILABLE',
    });
    const gone = once(child as ChildProcess, 'exit');
    child?.kill('SIGTERM');
    expect((await gone)[0]).toBe(0);
  });
});
