import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { collect, connectPlugin, type PluginClient } from '@outrigger/sdk-plugin/testing';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { speechText } from '../src/demo-model/scripts.js';
import { isAlive, until } from './support.js';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

describeWith('llama-server', 'the plugin as a process', ({ path }) => {
  let folder: string;
  let child: ChildProcess;
  let client: PluginClient;
  let enginePids: number[];
  let stdout: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'llama-process-'));
    const socket = join(folder, 'p.sock');
    child = spawn(process.execPath, [main], {
      cwd: folder,
      env: {
        PATH: process.env['PATH'],
        TMPDIR: folder,
        XDG_DATA_HOME: join(folder, 'data'),
        LLAMA_SERVER: path,
        PLUGIN_ENDPOINT: `unix://${socket}`,
        PLUGIN_PARENT_GUARD: 'stdin',
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    enginePids = [];
    stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        const pid = /"pid":(\d+)/.exec(/"model loaded"/.test(line) ? line : '')?.[1];
        if (pid !== undefined) enginePids.push(Number(pid));
      });
    }
    await until('it listens', async () => (await readdir(folder)).includes('p.sock'));
    client = connectPlugin(`unix://${socket}`);
    await client.configure({});
  });

  afterEach(async () => {
    client.close();
    child.kill('SIGKILL');
    for (const pid of enginePids)
      await until(`engine ${pid} is gone`, async () => !(await isAlive(pid)), 5_000);
    await rm(folder, { recursive: true, force: true });
  });

  /** Leaves an endless answer open and returns the engine's process id. */
  async function speaking(): Promise<number> {
    const stream = client.generate({ model: 'demo-loop', user: 'x' });
    await stream.next();
    void (async () => {
      for await (const _ of stream);
    })().catch(() => undefined);
    await until('the engine is known', () => enginePids.length > 0);
    const pid = enginePids[0] ?? 0;
    expect(await isAlive(pid)).toBe(true);
    return pid;
  }

  it('speaks from nothing but a program and a folder, and says nothing on stdout', async () => {
    const said = await collect(client.generate({ model: 'demo', user: 'hi' }));
    expect(said.text).toBe(speechText('demo'));
    expect((await readdir(join(folder, 'data', 'outrigger', 'demo'))).sort()).toContain('demo.gguf');
    expect(stdout).toBe('');
  });

  it('leaves no engine when it is killed in the middle of an answer', async () => {
    const pid = await speaking();
    child.kill('SIGKILL');
    await until('the engine is gone', async () => !(await isAlive(pid)), 2_000);
    await until(
      'its folder is gone',
      async () => !(await readdir(folder)).some((name) => name.startsWith('outrigger-engine-')),
    );
  });

  it('leaves no engine when its parent goes, and when it is shut down', async () => {
    const pid = await speaking();
    child.stdin?.end();
    await until('the engine is gone', async () => !(await isAlive(pid)), 5_000);
    await until('it is gone too', () => child.exitCode !== null, 5_000);
    expect(child.exitCode).toBe(0);
  });

  it('turns the death of its engine into an error for the caller, and goes on', async () => {
    const stream = client.generate({ model: 'demo-loop', user: 'x' });
    let heard = 0;
    const listening = (async () => {
      for await (const _ of stream) {
        heard++;
        if (heard === 20) {
          await until('the engine is known', () => enginePids.length > 0);
          process.kill(enginePids[0] ?? 0, 'SIGKILL');
        }
      }
    })();
    await expect(listening).rejects.toMatchObject({ reason: 'UPSTREAM_ERROR' });
    const limited = {
      model: 'demo-loop',
      user: 'x',
      sampling: { stop: [], logitBias: {}, maxOutputTokens: 4 },
    };
    const next = await collect(client.generate(limited, { signal: AbortSignal.timeout(5_000) }));
    expect(next.text).toBe('This demo never ends:');
  });
});
