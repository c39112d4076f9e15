import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { collect, connectPlugin, type PluginClient } from '@outrigger/sdk-plugin/testing';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

let directory: string;
let trace: string;
const children: ChildProcess[] = [];
const strays: number[] = [];
const clients: PluginClient[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'life-'));
  trace = join(directory, 'trace');
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  for (const pid of strays.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone, as it should be.
    }
  }
  await rm(directory, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly address: string;
  readonly output: { stdout: string; stderr: string };
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
}

/** Starts a script with a socket of its own; waits for nothing. */
function start(
  script: string,
  env: Record<string, string | undefined> = {},
  args: string[] = [],
  stdin: number | 'ignore' | 'pipe' = 'ignore',
): Started {
  const address = `unix://${join(directory, 'p.sock')}`;
  const child = spawn(process.execPath, [fixture(script), ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...process.env, PLUGIN_ENDPOINT: address, TRACE: trace, ...env },
  });
  children.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data: Buffer) => (output.stdout += data.toString('latin1')));
  child.stderr?.on('data', (data: Buffer) => (output.stderr += data.toString()));
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  return { child, address, output, exited };
}

async function until<T>(look: () => T | undefined | false, what: string): Promise<T> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const traced = (): string => (existsSync(trace) ? readFileSync(trace, 'utf8') : '');

async function listening(started: Started): Promise<PluginClient> {
  await until(() => traced().includes('listening'), `the plugin to listen: ${started.output.stderr}`);
  const client = connectPlugin(started.address);
  clients.push(client);
  return client;
}

/** Whether a process is gone; one that nobody has reaped yet counts as gone. */
function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === true;
  } catch {
    return true;
  }
}

describe('a plugin process', () => {
  it('on SIGTERM finishes what is in flight, frees what it holds and exits 0', async () => {
    const plugin = start('plugin.mjs');
    const client = await listening(plugin);
    const stream = client.generate({ user: 'hold' });
    await stream.next();
    await stream.next();
    plugin.child.kill('SIGTERM');
    await until(() => plugin.output.stderr.includes('draining, then stopping'), 'the drain');
    await expect(collect(client.generate({ user: 'hi' }))).rejects.toMatchObject({ reason: 'DRAINING' });
    plugin.child.kill('SIGUSR2');
    const kinds = [];
    for await (const event of stream) kinds.push(event.event?.$case);
    expect(kinds).toEqual(['finish', 'end']);
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
    expect(traced()).toContain('stopped');
    expect(existsSync(plugin.address.slice('unix://'.length))).toBe(false);
  });

  it('on a second signal cuts what is in flight and still stops properly', async () => {
    const plugin = start('plugin.mjs');
    const client = await listening(plugin);
    const stream = client.generate({ user: 'hold' });
    await stream.next();
    await stream.next();
    plugin.child.kill('SIGINT');
    await until(() => plugin.output.stderr.includes('draining, then stopping'), 'the drain');
    plugin.child.kill('SIGINT');
    await expect(stream.next()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' });
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
    expect(traced()).toContain('stopped');
  });

  it('exits 0 after Shutdown', async () => {
    const plugin = start('plugin.mjs');
    const client = await listening(plugin);
    await client.shutdown();
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
    expect(traced()).toContain('stopped');
  });

  it.each(['throw later', 'reject later'])(
    'exits 1 and says why when nobody catches an error: %s',
    async (user) => {
      const plugin = start('plugin.mjs');
      const client = await listening(plugin);
      await collect(client.generate({ user })).catch(() => undefined);
      expect(await plugin.exited).toEqual({ code: 1, signal: null });
      expect(plugin.output.stderr).toMatch(
        /"level":"error","msg":"un(caught exception|handled rejection)".*nobody/,
      );
    },
  );

  it('may write to standard output, which nobody parses', async () => {
    const plugin = start('plugin.mjs');
    const client = await listening(plugin);
    expect((await collect(client.generate({ user: 'noise' }))).text).toBe('begun');
    expect(plugin.output.stdout).toContain('a line on standard output');
    const lines = plugin.output.stderr.trim().split('\n');
    for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  it('without an endpoint chooses one and says how to attach', async () => {
    const plugin = start('plugin.mjs', { PLUGIN_ENDPOINT: undefined, TMPDIR: directory });
    await until(() => traced().includes('listening'), 'the plugin to listen');
    const address = await until(
      () => /unix:\/\/\S+\.sock(?=\n\nAttach)/.exec(plugin.output.stderr)?.[0],
      'the hint',
    );
    const client = connectPlugin(address);
    clients.push(client);
    expect((await client.info()).name).toBe('fixture');
  });

  it('takes its endpoint from the command line first', async () => {
    const chosen = `unix://${join(directory, 'chosen.sock')}`;
    start('plugin.mjs', {}, [`--endpoint=${chosen}`]);
    await until(() => traced().includes('listening'), 'the plugin to listen');
    const client = connectPlugin(chosen);
    clients.push(client);
    expect((await client.info()).name).toBe('fixture');
  });

  it('refuses an endpoint that cannot work, with status 1', async () => {
    const plugin = start('plugin.mjs', { PLUGIN_ENDPOINT: `unix:///tmp/${'x'.repeat(120)}` });
    expect(await plugin.exited).toEqual({ code: 1, signal: null });
    expect(plugin.output.stderr).toMatch(/the socket path has 125 bytes, at most 100/);
  });
});

describe('a plugin whose parent is killed', () => {
  const pidOf = (): number => {
    const pid = Number(/listening (\d+)/.exec(traced())?.[1]);
    strays.push(pid);
    return pid;
  };

  it('stops properly and leaves', async () => {
    const parent = start('parent.mjs', { PLUGIN_PARENT_GUARD: 'stdin' });
    await listening(parent);
    const pid = pidOf();
    parent.child.kill('SIGKILL');
    await until(() => gone(pid), 'the plugin to leave');
    expect(traced()).toContain('stopped');
  });

  it('also when its standard input tells nothing', async () => {
    // It inherits a pipe that this test holds open: only the change of parent is left to notice.
    const fifo = join(directory, 'stdin');
    execFileSync('mkfifo', [fifo]);
    const held = openSync(fifo, 'r+');
    const parent = start('parent.mjs', { PLUGIN_PARENT_GUARD: 'stdin', CHILD_STDIN: 'inherit' }, [], held);
    await listening(parent);
    const pid = pidOf();
    parent.child.kill('SIGKILL');
    await until(() => gone(pid), 'the plugin to leave');
    expect(traced()).toContain('stopped');
    closeSync(held);
  });

  it('lives on when it was started by hand', async () => {
    const plugin = start('plugin.mjs');
    const client = await listening(plugin);
    // Its standard input is closed from the start.
    expect((await collect(client.generate({ user: 'hi' }))).finish).toBe('STOP');
    expect(plugin.child.exitCode).toBeNull();
  });
});
