import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseConfig, type ConfigInput } from '../src/config/schema.js';
import type { EngineRoom } from '../src/engine-room.js';
import { active, ask, openRoom, oracle, oraclePlugin, until } from './support/room.js';

let folder: string;
let room: EngineRoom | undefined;
let children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'discovery-'));
});

afterEach(async () => {
  await room?.close(500);
  room = undefined;
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }),
  );
  children = [];
  await rm(folder, { recursive: true, force: true });
});

/** A sidecar: a plugin that nobody supervises, listening at a path. */
async function sidecar(file: string, env: Record<string, string> = {}): Promise<ChildProcess> {
  const path = join(folder, file);
  const child = spawn(process.execPath, [oraclePlugin, '--endpoint', `unix://${path}`], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(() => said.includes('"listening"'), `the sidecar ${file} listens: ${said}`);
  return child;
}

/** Leaves sockets behind on which nobody listens, as dead plugins do. */
async function leaveSockets(directory: string, count: number, prefix = 'aa'): Promise<void> {
  const script = `const [directory, prefix, count] = process.argv.slice(1);
    let open = Number(count);
    for (let i = open; i > 0; i--) require('node:net').createServer()
      .listen(directory + '/' + prefix + i + '.sock', () => --open || process.kill(process.pid, 'SIGKILL'));`;
  const child = spawn(process.execPath, ['-e', script, directory, prefix, String(count)], {
    stdio: 'ignore',
  });
  await new Promise((resolve) => child.once('exit', resolve));
}

const version = (): string | undefined => room?.registry.get('oracle')?.active?.version;
const told = (pattern: RegExp): boolean =>
  room?.events.since(0).some(({ message }) => pattern.test(message)) ?? false;

describe('the plugin directory', () => {
  it('finds a plugin that appears, takes a newer one in its place, and lets go of one that vanishes', async () => {
    room = await openRoom({ pluginDirectory: folder });
    await sidecar('one.sock', { ORACLE_VERSION: '1.0.0' });
    await until(() => version() === '1.0.0', 'the plugin is found');
    await room.models.refresh();
    const stream = ask(room, 'oracle', '1 12 100');
    await until(() => room?.registry.get('oracle')?.active?.inFlight === 1, 'the stream runs');

    const second = await sidecar('two.sock', { ORACLE_VERSION: '2.0.0' });
    await until(() => version() === '2.0.0', 'the newer one takes over');
    const { error } = await stream;
    expect(error).toBeUndefined();

    // Another plugin comes and dies: no news of this one.
    const third = await sidecar('three.sock', { ORACLE_NAME: 'third' });
    await until(() => room?.registry.get('third') !== undefined, 'another one is found');
    third.kill('SIGKILL');
    await until(() => told(/plugin third is no longer announced/), 'that it is gone is told');
    const news = room.events.since(0).filter(({ message }) => /plugin oracle .* announces/.test(message));
    expect(news).toHaveLength(2);

    // The older one still listens: when the newer one goes, it is the plugin again.
    second.kill('SIGKILL');
    await until(() => version() === '1.0.0', 'the older one is back');
    await unlink(join(folder, 'one.sock'));
    await unlink(join(folder, 'two.sock')).catch(() => undefined);
    await until(() => room?.registry.get('oracle') === undefined, 'the plugin is let go');
    expect(children[0]?.exitCode).toBeNull();
  }, 60_000);

  it('tells live sockets from stale ones and plugins from others, and says why once', async () => {
    const dead = await sidecar('dead.sock', { ORACLE_NAME: 'dead' });
    dead.kill('SIGKILL');
    await new Promise((resolve) => dead.once('exit', resolve));
    await writeFile(join(folder, 'file.sock'), 'not a socket');
    const stranger = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('hello\r\n', () => socket.destroy());
    });
    await new Promise<void>((resolve) => stranger.listen(join(folder, 'stranger.sock'), resolve));
    await sidecar('good.sock');
    await symlink(join(folder, 'good.sock'), join(folder, 'twin.sock'));

    room = await openRoom({ pluginDirectory: folder });
    await until(() => version() === '1.0.0', 'the good one is found');
    await until(() => told(/stranger\.sock is not used/), 'the stranger is refused');
    await until(() => told(/is not used: it is the very instance/), 'the twin is refused');
    await room.discovery.rescan();
    await room.discovery.rescan();
    expect(room.registry.list().map(({ name }) => name)).toEqual(['oracle']);
    const refusals = room.events
      .since(0)
      .filter(({ message }) => message.includes('stranger.sock is not used'));
    expect(refusals).toHaveLength(1);
    await new Promise((resolve) => stranger.close(resolve));
  }, 60_000);

  it('takes a newer one in its place that has the path of the older one', async () => {
    room = await openRoom({ pluginDirectory: folder });
    const first = await sidecar('one.sock', { ORACLE_VERSION: '1.0.0' });
    await until(() => version() === '1.0.0', 'the plugin is found');
    await sidecar('new', { ORACLE_VERSION: '2.0.0' });
    await rename(join(folder, 'new'), join(folder, 'one.sock'));
    await until(() => version() === '2.0.0', 'the newer one takes over');
    first.kill('SIGTERM');
    await until(() => first.exitCode !== null, 'the older one ends');
    await room.discovery.rescan();
    expect(version()).toBe('2.0.0');
    expect((await ask(room, 'oracle', '1 2 0')).error).toBeUndefined();
    expect(told(/refused/)).toBe(false);
  }, 60_000);

  it('finds a plugin behind more stale sockets than it would ask, and tells once of a directory that is gone', async () => {
    await leaveSockets(folder, 210);
    room = await openRoom({ pluginDirectory: folder });
    await sidecar('zz.sock', { ORACLE_VERSION: '1.0.0' });
    await leaveSockets(folder, 210, 'later');
    await until(() => version() === '1.0.0', 'the plugin is found');
    expect(told(/not looked at/)).toBe(false);

    await rename(folder, `${folder}-away`);
    await room.discovery.rescan();
    await room.discovery.rescan();
    const trouble = room.events.since(0).filter(({ message }) => message.includes('cannot be read'));
    expect(trouble).toHaveLength(1);
    expect(version()).toBe('1.0.0');
    await rename(`${folder}-away`, folder);
    await room.discovery.rescan();
    expect(told(/can be read again/)).toBe(true);
    expect(version()).toBe('1.0.0');
  }, 60_000);

  it('finds the same sidecars after a restart of the host, without theirs', async () => {
    const child = await sidecar('one.sock');
    room = await openRoom({ pluginDirectory: folder });
    await until(() => version() !== undefined, 'the plugin is found');
    const before = room.registry.get('oracle')?.active?.instanceId;
    await room.close(500);
    expect(child.exitCode).toBeNull();
    room = await openRoom({ pluginDirectory: folder });
    await active(room, 'oracle');
    expect(room.registry.get('oracle')?.active?.instanceId).toBe(before);
    expect((await ask(room, 'oracle', '1 2 0')).error).toBeUndefined();
  }, 60_000);
});

/** Where a server listens, on a free port. */
async function port(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return (server.address() as AddressInfo).port;
}

describe('a plugin at an address', () => {
  it('that is configured with TLS where there is none, or the other way round, says so', async () => {
    const servers = [createHttpServer(), createTlsServer({})];
    try {
      const [plain, secure] = await Promise.all(servers.map(port));
      const at = (number: number | undefined) => ({ address: `localhost:${number}`, startTimeoutMs: 1000 });
      room = await openRoom({ plugins: { plain: { ...at(plain), tls: {} }, secure: at(secure) } });
      const reason = (name: string) => room?.admin.get(name).reason ?? '';
      await until(() => reason('plain') !== '' && reason('secure') !== '', 'both have failed');
      expect(reason('plain')).toMatch(
        /within 1000 ms: what listens there does not speak TLS; take `tls` out/,
      );
      expect(reason('secure')).toMatch(/within 1000 ms: .*perhaps it speaks TLS: set `tls`/);
    } finally {
      for (const server of servers) server.close();
    }
  }, 30_000);

  it('that is not reached says why', async () => {
    const at = (address: string) => ({ address, startTimeoutMs: 1000 });
    room = await openRoom({
      plugins: { gone: at(`unix:${join(folder, 'gone.sock')}`), refuses: at('ipv4:127.0.0.1:1') },
    });
    const reason = (name: string) => room?.admin.get(name).reason ?? '';
    await until(() => reason('gone') !== '' && reason('refuses') !== '', 'both have failed');
    expect(reason('gone')).toMatch(/was not reached at unix:.* within 1000 ms: connect ENOENT/);
    expect(reason('refuses')).toMatch(/within 1000 ms: connect ECONNREFUSED 127\.0\.0\.1:1$/);
  }, 30_000);
});

describe('another configuration', () => {
  const config = (plugins: ConfigInput['plugins']) => parseConfig({ plugins: plugins ?? {} });

  it('adds, takes out, exchanges and configures, and leaves alone what is the same', async () => {
    const [a, b] = [oracle(), oracle({ ORACLE_NAME: 'b' })];
    room = await openRoom({ plugins: { a, b } });
    await active(room, 'a');
    await active(room, 'b');
    const before = room.registry.get('a')?.active;
    const next = config({ a: { ...a, drainTimeoutMs: 1234 }, c: oracle() });
    expect(await room.reload(next)).toEqual({
      added: ['c'],
      removed: ['b'],
      swapped: [],
      configured: [],
      refused: [],
    });
    expect(room.registry.get('b')).toBeUndefined();
    expect(room.registry.get('a')?.active).toBe(before);
    expect(room.registry.get('a')?.source.drainTimeoutMs).toBe(1234);
    await active(room, 'c');

    const greeting = { greeting: 'hello' };
    const changed = config({ a: { ...a, config: greeting }, c: oracle({ ORACLE_VERSION: '2.0.0' }) });
    // Both are exchanged: a process that is configured anew could drop what it is doing.
    const done = await room.reload(changed);
    expect({ ...done, swapped: [...done.swapped].sort() }).toMatchObject({
      swapped: ['a', 'c'],
      configured: [],
      refused: [],
    });
    expect(room.registry.get('a')?.active).not.toBe(before);
    expect(room.registry.get('c')?.active?.version).toBe('2.0.0');
    await room.models.refresh();
    expect((await room.models.resolve('a/oracle')).model.displayName).toBe('hello');
    expect(await room.reload(changed)).toMatchObject({
      added: [],
      removed: [],
      swapped: [],
      configured: [],
      refused: [],
    });
  }, 60_000);

  it('that a plugin refuses changes nothing for that plugin and is reported in one line', async () => {
    const a = oracle({}, { config: { greeting: 'old' } });
    room = await openRoom({ plugins: { a } });
    await active(room, 'a');
    const before = room.registry.get('a')?.active;
    const refusedConfig = await room.reload(config({ a: { ...a, config: { refuse: true } } }));
    expect(refusedConfig.refused).toEqual([
      { plugin: 'a', reason: expect.stringContaining('refuse') as unknown as string },
    ]);
    const refusedCommand = await room.reload(
      config({ a: { ...a, command: [process.execPath, '-e', 'process.exit(3)'] } }),
    );
    expect(refusedCommand.refused).toEqual([{ plugin: 'a', reason: 'plugin a exited with status 3' }]);
    expect(room.registry.get('a')?.active).toBe(before);
    expect(room.registry.get('a')?.source.config).toEqual({ greeting: 'old' });
    expect((await ask(room, 'a/oracle', '1 2 0')).error).toBeUndefined();
  }, 60_000);

  it('leaves what an operator has swapped in until the entry of that plugin changes', async () => {
    const a = oracle();
    room = await openRoom({ plugins: { a } });
    await active(room, 'a');
    const command = [process.execPath, oraclePlugin, '2'];
    await room.admin.swap('a', { command, bakeMs: 0 }, new AbortController().signal);
    const swapped = room.registry.get('a')?.active;
    expect(await room.reload(config({ a, b: oracle() }))).toMatchObject({ added: ['b'], swapped: [] });
    const policy = { ...a, drainTimeoutMs: 1234 };
    expect(await room.reload(config({ a: policy }))).toMatchObject({ swapped: [] });
    expect(room.registry.get('a')?.active).toBe(swapped);
    expect(room.registry.get('a')?.source).toMatchObject({ drainTimeoutMs: 1234, origin: { command } });
    const changed = { ...policy, env: { ...a.env, ORACLE_VERSION: '2.0.0' } };
    expect(await room.reload(config({ a: changed }))).toMatchObject({ swapped: ['a'] });
    expect(room.registry.get('a')?.active?.version).toBe('2.0.0');
  }, 60_000);

  it('brings a plugin up that could not start with the old one', async () => {
    const dead = { ...oracle(), restart: { minDelayMs: 60_000, maxDelayMs: 60_000 } };
    room = await openRoom({
      plugins: { a: { ...dead, command: [process.execPath, '-e', 'process.exit(3)'] } },
    });
    await until(() => room?.registry.get('a')?.status.reason !== '', 'it has failed');
    await room.reload(config({ a: dead }));
    await active(room, 'a');
  }, 60_000);
});

describe('watched files', () => {
  it('exchange their plugin when they change, also when a program replaces them', async () => {
    const file = join(folder, 'code.txt');
    await writeFile(file, 'one');
    room = await openRoom({ plugins: { a: oracle({}, { watch: [file] }), b: oracle() } });
    await active(room, 'a');
    await active(room, 'b');
    const other = room.registry.get('b')?.active;
    let last = room.registry.get('a')?.active?.instanceId;
    for (const change of [
      () => writeFile(file, 'two'),
      async () => {
        await writeFile(join(folder, 'new'), 'three');
        await rename(join(folder, 'new'), file);
      },
    ]) {
      await change();
      const was = last;
      await until(() => room?.registry.get('a')?.active?.instanceId !== was, 'the plugin is exchanged');
      last = room.registry.get('a')?.active?.instanceId;
    }
    expect(told(/its files have changed/)).toBe(true);
    expect(room.registry.get('b')?.active).toBe(other);
  }, 60_000);
});
