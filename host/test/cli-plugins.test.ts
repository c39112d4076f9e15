import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startHost, until } from '../../scripts/testing/host-process.mjs';
import { outrigger, program } from './support/command.js';

const plugin = fileURLToPath(new URL('../bench/oracle-plugin.mjs', import.meta.url));
const notes = fileURLToPath(new URL('../../examples/tools-plugin/dist/main-v1.js', import.meta.url));
const oracle = (version: string) => ({
  command: [process.execPath, plugin],
  env: { ORACLE_VERSION: version },
  startTimeoutMs: 20_000,
});

let host: Awaited<ReturnType<typeof startHost>>;
beforeAll(async () => {
  host = await startHost({
    bundledPlugins: false,
    plugins: { a: oracle('1.0.0'), notes: { command: [process.execPath, notes] } },
    admin: { apiKey: 'the-admin-key' },
  });
  await host.hasModel('a/oracle');
  await until(
    async () => (await (await fetch(`${host.url}/mcp/v1/tools`)).text()).includes('add_note'),
    'the tools',
  );
}, 60_000);
afterAll(() => host.stop());

const key = { OUTRIGGER_ADMIN_KEY: 'the-admin-key' };
const run = (args: readonly string[], env: Record<string, string> = key) =>
  outrigger([...args, '--url', host.url], env);

describe('plugins', () => {
  it('are shown with version, state, instance and what they serve', async () => {
    const { code, stdout } = await run(['plugins']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^PLUGIN +VERSION +STATE +RESTARTS +INSTANCE +IN FLIGHT +SERVED +FAILED\n/);
    expect(stdout).toMatch(/\na +1\.0\.0 +active +0 +[0-9a-f]{8} +0 +\d+ +0\n/);
  });

  it('are exchanged by a command, in place, by a canary; what is refused is one line', async () => {
    const swapped = await run(['plugins', 'swap', 'a', '--bake-ms', '0', '--json']);
    expect(swapped.code).toBe(0);
    expect(JSON.parse(swapped.stdout)).toMatchObject({ plugin: 'a', from: '1.0.0', to: '1.0.0' });
    const to = await run(['plugins', 'swap', 'a', '--to', `${process.execPath} '${plugin}'`]);
    expect(to.stdout).toMatch(
      /^a: 1\.0\.0 was exchanged for 1\.0\.0; prepared in \d+ ms, exchanged in [\d.]+ ms\n$/,
    );
    const alone = await run(['plugins', 'swap', 'a', '--canary', '50%', '--canary-ms', '50']);
    expect(alone).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no request came to it within 50 ms') as unknown,
    });
    const proved = run(['plugins', 'swap', 'a', '--canary', '100%', '--canary-requests', '1']);
    const trial = { over: false };
    void proved.finally(() => (trial.over = true));
    while (!trial.over)
      await (await host.post('/v1/completions', { model: 'a/oracle', prompt: '1 1 0' })).text();
    expect(await proved).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/as a canary: \d+ requests?, 0 failed/) as unknown,
    });

    const dead = await run(['plugins', 'swap', 'a', '--to', `${process.execPath} -e process.exit(3)`]);
    expect(dead).toEqual({ code: 1, stdout: '', stderr: 'error: plugin a exited with status 3\n' });
    const unknown = await run(['plugins', 'swap', 'b']);
    expect(unknown).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: there is no plugin named "b"; there are a, notes\n',
    });
    expect((await run(['plugins', 'swap', 'a', '--canary', '0'])).code).toBe(2);
    expect((await run(['plugins'])).stdout).toContain('active');
  }, 60_000);

  it('are added by address or command until the host ends, and taken out again', async () => {
    const added = await run(['plugins', 'add', 'b', `${process.execPath} '${plugin}'`]);
    expect(added).toEqual({ code: 0, stdout: 'b is active, version 1.0.0\n', stderr: '' });
    await host.hasModel('b/oracle');
    const twice = await run(['plugins', 'add', 'b', 'localhost:1']);
    expect(twice).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('a plugin b already') as unknown,
    });
    const { instances } = JSON.parse((await run(['plugins', 'show', 'b', '--json'])).stdout) as {
      instances: { address: string }[];
    };
    const other = await run(['plugins', 'add', 'c', instances[0]?.address ?? '', '--json']);
    expect(JSON.parse(other.stdout)).toMatchObject({ name: 'c', state: 'active', origin: 'attach' });
    expect((await run(['plugins', 'remove', 'c'])).stdout).toBe('c was taken out\n');
    await host.hasModel('b/oracle');
    expect((await run(['plugins', 'remove', 'b'])).code).toBe(0);
    expect((await run(['plugins'])).stdout).not.toMatch(/^[bc] /m);

    const wrong = await run(['plugins', 'add', 'b', `${process.execPath} -e process.exit(3)`]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/^error: b was added and is backoff: .*exited with status 3.*\n/);
    expect((await run(['plugins', 'remove', 'b'])).code).toBe(0);
    const configured = await run(['plugins', 'remove', 'a']);
    expect(configured).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('configuration') as unknown,
    });
    expect((await run(['plugins', 'remove', 'none'])).code).toBe(1);
    expect((await run(['plugins', 'add', 'X', 'localhost:1'])).stderr).toContain('lower case');
    expect((await run(['plugins', 'add', 'b', 'localhost:1', '--settings', '5'])).code).toBe(2);
    const refused = await run(['plugins', 'add', 'b', 'localhost:1'], { OUTRIGGER_ADMIN_KEY: 'another' });
    expect(refused.code).toBe(1);
  }, 60_000);

  it('drain, come back and ask for the right key', async () => {
    expect((await run(['plugins', 'drain', 'a'])).stdout).toBe('a is stopped (drained by an operator)\n');
    expect((await run(['plugins'])).stdout).toContain('stopped');
    expect((await run(['plugins', 'restart', 'a'])).code).toBe(0);
    await host.hasModel('a/oracle');
    const refused = await run(['plugins', 'restart', 'a'], { OUTRIGGER_API_KEY: 'a-wrong-key' });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('OUTRIGGER_ADMIN_KEY');
    expect((await run(['plugins', 'restart', 'a', '--api-key', 'the-admin-key'], {})).code).toBe(0);
  }, 60_000);

  it('without a running host there is nothing to administer', async () => {
    const { code, stderr } = await outrigger(['plugins', 'swap', 'a'], { PORT: '1' });
    expect(code).toBe(1);
    expect(stderr).toContain('no host is running at http://127.0.0.1:1');
  });

  it('bring tools that can be listed and called', async () => {
    const { stdout } = await run(['plugins', 'tools', 'notes']);
    expect(stdout).toMatch(/^TOOL +PLUGIN +KIND +WHAT IT DOES\nnotes\.add_note +notes +\S.*\n/);
    const added = await run(['plugins', 'call', 'notes.add_note', '{"text":"hello"}']);
    expect(added.code).toBe(0);
    expect(JSON.parse(added.stdout)).toMatchObject({ note: { text: 'hello' } });
    expect((await run(['plugins', 'call', 'notes.show_note', '{"number":"1"}'])).stdout).toContain('hello');
    const refused = await run(['plugins', 'call', 'notes.add_note', '{}']);
    expect(refused).toMatchObject({ code: 1, stderr: 'error: text must not be empty\n' });
    expect((await run(['plugins', 'call', 'notes.ad_note', '{}'])).stderr).toContain(
      'did you mean "notes.add_note"?',
    );
  });

  it('tell what is wrong with a call of a tool', async () => {
    expect((await run(['plugins', 'tools', 'a'])).stdout).toBe('No tools.\n');
    expect((await run(['plugins', 'tools', 'b'])).stderr).toContain('there is no plugin named "b"');
    expect((await run(['plugins', 'call', 'nope', '{}'])).stderr).toContain(
      '`outrigger plugins tools` lists them',
    );
    expect((await run(['plugins', 'call', 'nope', '[1]'])).code).toBe(2);
  });
});

describe('events', () => {
  it('are told as lines and as JSON, from any point on', async () => {
    const { stdout } = await run(['events']);
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}\w+.* {2}discovered to connecting\n/);
    const all = (await run(['events', '--json'])).stdout.trimEnd().split('\n');
    const last = JSON.parse(all.at(-1) ?? '{}') as { id: number };
    expect(last.id).toBe(all.length);
    const since = await run(['events', '--json', '--since', String(last.id - 1)]);
    expect(since.stdout).toBe(`${all.at(-1) ?? ''}\n`);
  });

  it('are followed over a restart of the host until Ctrl-C', async () => {
    const config = { bundledPlugins: false, plugins: { p: oracle('1.0.0') } };
    let other = await startHost(config);
    const child = spawn(process.execPath, [program, 'events', '-f', '--json', '--url', other.url], {
      env: { PATH: process.env['PATH'] },
      stdio: 'pipe',
    });
    const exited = new Promise((resolve) => child.once('close', resolve));
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    try {
      const active = () => stdout.split('"to":"active"').length - 1;
      await until(() => active() === 1, 'the first start is told');
      const { port } = new URL(other.url);
      await other.stop();
      await until(() => stderr.includes('was lost'), 'the loss is told');
      other = await startHost({ ...config, server: { port: Number(port) } });
      await until(() => active() === 2, 'the second start is told');
      child.kill('SIGINT');
      expect(await exited).toBe(0);
      const ids = stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: number }).id);
      const again = ids.lastIndexOf(1);
      // Each host is told whole, in order and once.
      expect(ids.slice(again)).toEqual(ids.slice(again).map((_, index) => index + 1));
      expect(ids.slice(0, again)).toEqual(ids.slice(0, again).map((_, index) => index + 1));
    } finally {
      child.kill('SIGKILL');
      await other.stop();
    }
  }, 60_000);
});
