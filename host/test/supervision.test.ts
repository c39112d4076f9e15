import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { PluginProcess, prepareProcesses } from '../src/registry/plugin-process.js';
import type { EngineRoom } from '../src/engine-room.js';
import { active, ask, groupLives, misbehaving, openRoom, oracle, silentLog, until } from './support/room.js';

let room: EngineRoom | undefined;
beforeAll(prepareProcesses);
afterEach(async () => {
  await room?.close(500);
  room = undefined;
});

const env = { PATH: process.env['PATH'] ?? '' };
const node = process.execPath;

describe('a plugin process', () => {
  const end = async (command: string[], act?: (child: PluginProcess) => void) => {
    const child = new PluginProcess({ plugin: 'x', command, env, cwd: undefined }, silentLog);
    act?.(child);
    const exit = await child.exited;
    if (child.group !== undefined) await until(() => !groupLives(child.group ?? 0), 'the group is gone');
    return exit;
  };

  it.each<[string, string[], string]>([
    [
      'its status and last words',
      [node, '-e', 'console.error("no key");process.exit(3)'],
      'exited with status 3; it last said: no key',
    ],
    [
      'the exception of a runtime',
      [node, '-e', 'throw new Error("bad thing")'],
      'exited with status 1; it last said: Error: bad thing',
    ],
    ['the signal', [node, '-e', 'process.kill(process.pid,"SIGKILL")'], 'was ended by SIGKILL'],
    [
      'a program that is not there',
      ['no-such-program'],
      'could not be started: "no-such-program": it was not found',
    ],
    [
      'a file that is no program',
      ['/etc/passwd'],
      'could not be started: "/etc/passwd": it cannot be executed',
    ],
  ])('ends with %s in one line', async (_what, command, reason) => {
    expect((await end(command)).reason).toBe(reason);
  });

  it('takes its children with it, even those that hold its output open', async () => {
    expect(await end(['/bin/sh', '-c', 'sleep 1000 & exit 4'])).toMatchObject({ code: 4 });
  });

  it('is told by SIGTERM and killed when it does not listen', async () => {
    const listens = `process.on("SIGTERM",()=>process.exit(0));setInterval(()=>{},1000);console.error("up")`;
    const said = (child: PluginProcess, then: () => void): void => {
      void until(() => child.lastWords() !== '', 'it is up').then(then);
    };
    expect(
      await end([node, '-e', listens], (child) => said(child, () => void child.stop(10_000))),
    ).toMatchObject({ code: 0 });
    const deaf = listens.replace('process.exit(0)', '0');
    expect(await end([node, '-e', deaf], (child) => said(child, () => void child.stop(50)))).toMatchObject({
      signal: 'SIGKILL',
    });
  });

  it('that floods both outputs is read on and costs the log little', async () => {
    let lines = 0;
    const log = { ...silentLog, info: () => (lines += 1), child: () => log };
    const flood = `const l='x'.repeat(99)+'\\n';for(let i=0;i<200000;i++){process.stdout.write(l);if(i%4==0)process.stderr.write(l)}`;
    const child = new PluginProcess({ plugin: 'x', command: [node, '-e', flood], env, cwd: undefined }, log);
    expect(await child.exited).toMatchObject({ code: 0 });
    expect(lines).toBeGreaterThan(0);
    expect(lines).toBeLessThan(8000);
  });
});

describe('kill -9 of a plugin', () => {
  it('is felt by its own requests alone, and it is back within a second of its back-off', async () => {
    room = await openRoom({ plugins: { a: oracle(), b: oracle({ ORACLE_NAME: 'b' }) } });
    await active(room, 'a');
    await active(room, 'b');
    const victim = room.registry.get('a')?.active;
    const own = ask(room, 'a/oracle', '1 100 50');
    const others = Array.from({ length: 10 }, (_, seed) =>
      ask(room as EngineRoom, 'b/oracle', `${seed} 20 50`),
    );
    await until(() => victim?.inFlight === 1, 'the stream runs');
    // A whole answer of three pieces after it: the stream has begun, and is not merely leased.
    expect((await ask(room, 'a/oracle', '1 3 50')).error).toBeUndefined();
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const killedAt = performance.now();
    const { error } = await own;
    expect(['plugin_unavailable', 'truncated']).toContain(error?.kind);
    // Held, not refused: the first crash may be an accident.
    expect((await ask(room, 'a/oracle', '1 2 0')).error).toBeUndefined();
    const back = room.events.since(0).filter(({ plugin, to }) => plugin === 'a' && to === 'active').length;
    expect(back).toBe(2);
    // Delay 50 to 60 ms, then a start; the bound has room for a busy machine.
    expect(performance.now() - killedAt).toBeLessThan(10_000);
    expect((await Promise.all(others)).map((one) => one.error)).toEqual(others.map(() => undefined));
    expect(room.admin.get('a')).toMatchObject({ restarts: 1 });
    expect(room.events.since(0).some(({ message }) => message.includes('was ended by SIGKILL'))).toBe(true);
  }, 60_000);

  it('goes to the process that is shown: its own, and not the leader of its group', async () => {
    room = await openRoom({ plugins: { a: oracle() } });
    await active(room, 'a');
    const [shown] = room.admin.get('a').instances;
    const { text } = await ask(room, 'a/oracle', '1 1 0');
    expect(text).toMatch(new RegExp(`:${shown?.pid} $`));
    expect(shown?.pid).not.toBe(room.registry.get('a')?.active?.group);
    process.kill(shown?.pid ?? 0, 'SIGTERM');
    const left = 'plugin a exited with status 0';
    await until(() => room?.admin.get('a').restarts === 1, 'it is started again');
    expect(room.events.since(0).some(({ message }) => message.includes(left))).toBe(true);
  }, 60_000);

  it('leaves what it stands in front of known: a plugin may learn that from its configuration', async () => {
    room = await openRoom({ plugins: { a: oracle({}, { config: { greeting: 'moo' } }) } });
    for (const restarts of [0, 1]) {
      await until(() => room?.admin.get('a').restarts === restarts, 'it is counted');
      await active(room, 'a');
      expect(room.admin.get('a').runtime).toBe('oracle that says moo');
      process.kill(room.admin.get('a').instances[0]?.pid ?? 0, 'SIGKILL');
    }
  }, 60_000);

  it('again and again backs off, is reported, and requests fail fast with a time to come back', async () => {
    const loop = oracle({ ORACLE_EXIT_MS: '1' }, { restart: { minDelayMs: 20_000, maxDelayMs: 20_000 } });
    room = await openRoom({ plugins: { a: { ...loop, restart: { minDelayMs: 50, maxDelayMs: 30_000 } } } });
    const state = () => room?.admin.get('a');
    await until(() => state()?.state === 'backoff' && (state()?.restarts ?? 0) >= 3, 'it is in back-off');
    let error;
    await until(async () => {
      error = (await ask(room as EngineRoom, 'a/oracle', '1 2 0')).error;
      return error?.kind === 'plugin_unavailable' || error?.kind === 'model_not_found';
    }, 'it is refused');
    expect(state()?.reason).toMatch(
      /plugin a exited with status 5; it last said: oracle: the end that was asked for/,
    );
    const lease = await Promise.resolve()
      .then(() => room?.registry.lease('a', new AbortController().signal))
      .catch((thrown: unknown) => thrown);
    if (state()?.state === 'backoff') {
      expect(lease).toMatchObject({ kind: 'plugin_unavailable', row: { http: 503 } });
      expect((lease as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
    }
  }, 60_000);
});

describe('a plugin that never came up', () => {
  it('is asked for again when its next start is due, not before', async () => {
    const restart = { minDelayMs: 2000, maxDelayMs: 60_000 };
    room = await openRoom({ plugins: { a: oracle({ ORACLE_EXIT_MS: '1' }, { restart }) } });
    const state = () => room?.admin.get('a').state;
    await until(() => state() === 'backoff', 'it is in back-off');
    const { error } = await ask(room, 'a/oracle', '1 2 0');
    expect(error).toMatchObject({ kind: 'plugin_unavailable', plugin: 'a' });
    expect(error?.retryAfterMs).toBeGreaterThan(1500);
  }, 60_000);
});

describe('a start', () => {
  it('tells how long each phase took', async () => {
    room = await openRoom({ plugins: { a: oracle() } });
    await active(room, 'a');
    const startup = { ...room.admin.get('a').instances[0]?.startup };
    const { totalMs, ...parts } = startup;
    expect(Object.keys(parts)).toEqual([
      'spawnMs',
      'connectMs',
      'negotiateMs',
      'configureMs',
      'validateMs',
      'activateMs',
    ]);
    const sum = Object.values(parts).reduce((all, ms) => all + ms, 0);
    expect(Math.abs(sum - (totalMs ?? 0))).toBeLessThan(1);
    const line = room.events.since(0).find(({ type }) => type === 'start')?.message;
    expect(line).toMatch(
      /^up after \d+ ms: spawn \d+, connect \d+, negotiate \d+, configure \d+, validate \d+, activate \d+$/,
    );
  }, 30_000);
});

describe('a swap with real processes', () => {
  it.each<[string, Parameters<typeof oracle>[0], RegExp]>([
    ['does not start', { ORACLE_EXIT_MS: '1' }, /plugin a exited with status 5/],
    ['is never ready', { ORACLE_START_MS: '60000' }, /plugin a was not ready within 1500 ms/],
    ['has another name', { ORACLE_NAME: 'other' }, /it calls itself other, the active one is oracle/],
    ['lost an operation', { ORACLE_NO_EMBED: '1' }, /it no longer offers embed/],
  ])(
    'is refused when the new one %s; the old one serves on',
    async (_what, next, why) => {
      // Only one of them is late on purpose; a busy machine may be slow with the others.
      const startTimeoutMs = next?.['ORACLE_START_MS'] !== undefined ? 1500 : 20_000;
      room = await openRoom({ plugins: { a: oracle() } });
      await active(room, 'a');
      const before = room.registry.get('a')?.active;
      const stream = ask(room, 'a/oracle', '1 10 100');
      const source = room.registry.get('a')?.source;
      const origin = { ...source?.origin, env: { ...process.env, ...next } };
      const swapping = room.admin.exchange(
        room.registry.get('a') as never,
        { ...source, origin, startTimeoutMs } as never,
        {},
        new AbortController().signal,
      );
      await expect(swapping).rejects.toThrow(why);
      expect(room.registry.get('a')?.active).toBe(before);
      expect((await stream).error).toBeUndefined();
      expect(room.admin.get('a').instances).toHaveLength(1);
    },
    60_000,
  );

  it('is undone when the new one crashes soon after', async () => {
    room = await openRoom({ plugins: { a: oracle() } });
    await active(room, 'a');
    const before = room.registry.get('a')?.active;
    await room.admin.swap('a', { bakeMs: 20_000 }, new AbortController().signal);
    const next = room.registry.get('a')?.active;
    expect(next).not.toBe(before);
    process.kill(next?.pid ?? 0, 'SIGKILL');
    await until(() => room?.registry.get('a')?.active === before, 'the old one is back');
    expect((await ask(room, 'a/oracle', '1 2 0')).instanceId).toBe(before?.instanceId);
    expect(room.events.since(0).some(({ message }) => message.startsWith('draining to active'))).toBe(true);
  }, 60_000);

  it('keeps requests waiting where only one instance can be', async () => {
    room = await openRoom({ plugins: { a: oracle({ ORACLE_MODE: 'exclusive' }) } });
    await active(room, 'a');
    const stream = ask(room, 'a/oracle', '1 6 50');
    await until(() => room?.registry.get('a')?.active?.inFlight === 1, 'the stream runs');
    const swapping = room.admin.swap('a', {}, new AbortController().signal);
    await until(() => room?.registry.get('a')?.active === undefined, 'the old one drains');
    const held = ask(room, 'a/oracle', '2 2 0');
    const result = await swapping;
    expect((await stream).error).toBeUndefined();
    expect((await held).error).toBeUndefined();
    expect((await held).instanceId).not.toBe((await stream).instanceId);
    expect(result.pauseMs).toBeGreaterThan(0);
  }, 60_000);

  it('tells a request that outlives the drain why it ends', async () => {
    room = await openRoom({ plugins: { a: oracle({}, { drainTimeoutMs: 300 }) } });
    await active(room, 'a');
    const stream = ask(room, 'a/oracle', '1 1000 50');
    await until(() => room?.registry.get('a')?.active?.inFlight === 1, 'the stream runs');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await room.admin.swap('a', { bakeMs: 0 }, new AbortController().signal);
    const { error, text } = await stream;
    expect(text).not.toBe('');
    expect(error).toMatchObject({ kind: 'plugin_unavailable' });
    expect(error?.message).toMatch(/was taken out of service \(replaced\).*not complete within 300 ms/);
  }, 60_000);
});

const lone = fileURLToPath(new URL('fixtures/lone-host.mjs', import.meta.url));

(existsSync('/bin/sh') ? describe : describe.skip)('kill -9 of the host', () => {
  it('takes the plugins along within two seconds, also those that do not look after their parent', async () => {
    const plugins = { kind: oracle(), deaf: misbehaving('deaf') };
    const host = spawn(node, [lone, JSON.stringify({ plugins })], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    host.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    try {
      await until(() => said.split('\n').length > 2, `both plugins are active: ${said}`);
    } finally {
      host.kill('SIGKILL');
    }
    const killedAt = Date.now();
    const groups = said
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    expect(groups).toHaveLength(2);
    await until(() => !groups.some(groupLives), 'the plugins are gone', 10_000);
    // 1.8 seconds and a little for a machine that is busy.
    expect(Date.now() - killedAt).toBeLessThan(4000);
  }, 60_000);

  it('leaves a folder of sockets behind, which the next host removes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hosts-'));
    const start = (plugins: object) =>
      spawn(node, [lone, JSON.stringify({ bundledPlugins: false, plugins })], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: folder },
      });
    const folders = () => readdirSync(folder).filter((name) => name.startsWith('outrigger-'));
    const [first, second] = [start({ kind: oracle() }), start({})];
    let third: ReturnType<typeof start> | undefined;
    try {
      await new Promise((resolve) => first.stdout.once('data', resolve));
      await until(() => folders().length === 2, 'both hosts have a folder');
      first.kill('SIGKILL');
      await new Promise((resolve) => first.once('exit', resolve));
      const before = folders();
      third = start({});
      // Its own makes three; the dead one's goes when the last of its plugins has.
      await until(() => folders().some((name) => !before.includes(name)), 'the third has one');
      await until(() => folders().length === 2, 'the one of the dead host is gone');
      expect(folders().filter((name) => before.includes(name))).toHaveLength(1);
      expect(second.exitCode).toBeNull();
    } finally {
      third?.kill('SIGKILL');
      first.kill('SIGKILL');
      second.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
