import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EngineRoom } from '../src/engine-room.js';
import {
  active,
  ask,
  misbehaving,
  misbehavingPlugin,
  openRoom,
  oracle,
  oraclePlugin,
  until,
} from './support/room.js';

let room: EngineRoom | undefined;
let folder: string;
let sidecar: ChildProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'health-'));
});
afterEach(async () => {
  await room?.close(500);
  room = undefined;
  sidecar?.kill('SIGKILL');
  sidecar = undefined;
  await rm(folder, { recursive: true, force: true });
});

const told = (type: string) =>
  room?.events
    .since(0)
    .filter((event) => event.type === type)
    .map(({ message }) => message);

describe('a plugin that says it is not serving', () => {
  it('gets no request until it serves again, and is not restarted for it', async () => {
    const file = join(folder, 'not-serving');
    const command = [process.execPath, misbehavingPlugin, 'health-file', file];
    room = await openRoom({ plugins: { bad: misbehaving('', { command }) } });
    await active(room, 'bad');
    const { pid } = room.registry.get('bad')?.active ?? {};
    await writeFile(file, '');
    await until(() => room?.admin.get('bad').instances[0]?.serving === false, 'the host hears of it');
    expect(room.admin.get('bad').reason).toBe('plugin bad says that it is not serving');
    const { error } = await ask(room, 'bad/bad', 'x');
    expect(error).toMatchObject({
      kind: 'plugin_unavailable',
      message: 'plugin bad says that it is not serving',
      row: { http: 503 },
    });
    expect(error?.retryAfterMs).toBeGreaterThan(0);
    const held = ask(room, 'bad/bad', 'x');
    await until(() => room?.admin.get('bad').queued === 1, 'it waits');
    await rm(file);
    expect((await held).error).toBeUndefined();
    expect(room.admin.get('bad')).toMatchObject({ restarts: 0, reason: '' });
    expect(room.registry.get('bad')?.active?.pid).toBe(pid);
    expect(told('health')).toEqual(['says that it is not serving', 'says that it serves again']);
  }, 60_000);

  it('is waited for when it starts', async () => {
    const file = join(folder, 'not-serving');
    await writeFile(file, '');
    const command = [process.execPath, misbehavingPlugin, 'health-file', file];
    room = await openRoom({ plugins: { bad: misbehaving('', { command, startTimeoutMs: 2000 }) } });
    await until(() => room?.admin.get('bad').reason !== '', 'its time is over');
    expect(room.admin.get('bad').reason).toBe(
      'plugin bad was not ready within 2000 ms (negotiating: it says that it is not serving)',
    );
    await until(() => room?.registry.get('bad')?.instances.length === 0, 'it is tried again');
    await rm(file);
    await active(room, 'bad');
  }, 60_000);
});

describe('a plugin that is frozen', () => {
  const liveness = { intervalMs: 100, timeoutMs: 700, misses: 2 };

  it('is killed and started again; its requests end with a true error', async () => {
    room = await openRoom({ plugins: { a: oracle({}, { liveness }) } });
    await active(room, 'a');
    const victim = room.registry.get('a')?.active;
    const stream = ask(room, 'a/oracle', '1 1000 50');
    await until(() => (victim?.heard ?? 0) > 1, 'the stream runs');
    process.kill(victim?.pid ?? 0, 'SIGSTOP');
    const { error } = await stream;
    expect(error).toMatchObject({ kind: 'plugin_unavailable' });
    await until(() => room?.registry.get('a')?.active?.serving === true, 'another one serves');
    expect(room.registry.get('a')?.active).not.toBe(victim);
    expect((await ask(room, 'a/oracle', '1 2 0')).error).toBeUndefined();
    expect(told('instance')).toContain(
      'crashed to backoff: plugin a was lost: does not answer (2 probes of 700 ms)',
    );
  }, 60_000);

  it('is let go and connected to again where somebody else started it', async () => {
    const path = join(folder, 'a.sock');
    sidecar = spawn(process.execPath, [oraclePlugin], {
      stdio: 'ignore',
      env: { ...process.env, PLUGIN_ENDPOINT: `unix://${path}` },
    });
    const restart = { minDelayMs: 50, maxDelayMs: 100 };
    room = await openRoom({
      plugins: { a: { address: `unix:${path}`, liveness, restart, startTimeoutMs: 1500 } },
    });
    await active(room, 'a');
    const victim = room.registry.get('a')?.active;
    const stream = ask(room, 'a/oracle', '1 1000 50');
    await until(() => (victim?.heard ?? 0) > 1, 'the stream runs');
    sidecar.kill('SIGSTOP');
    const { error } = await stream;
    expect(error?.message).toBe('plugin a was lost: does not answer (2 probes of 700 ms)');
    await until(() => (room?.admin.get('a').restarts ?? 0) > 1, 'it is tried again in vain');
    sidecar.kill('SIGCONT');
    await active(room, 'a');
    expect((await ask(room, 'a/oracle', '1 2 0')).error).toBeUndefined();
    expect(sidecar.exitCode).toBeNull();
  }, 60_000);

  it('is told from one that is busy, and from one that answers nobody but its requests', async () => {
    room = await openRoom({
      plugins: {
        busy: misbehaving('busy', { liveness: { ...liveness, misses: 4 } }),
        deaf: misbehaving('deaf-to-health', { liveness: { ...liveness, timeoutMs: 200 } }),
      },
    });
    await active(room, 'busy');
    await active(room, 'deaf');
    const left = new AbortController();
    const stream = ask(room, 'deaf/bad', 'x', left.signal);
    expect((await ask(room, 'busy/bad', 'x')).error).toBeUndefined();
    expect(room.admin.get('busy').restarts).toBe(0);
    expect(room.admin.get('deaf').restarts).toBe(0);
    // With nothing more to hear from it, it counts as frozen.
    left.abort();
    await stream;
    await until(() => room?.admin.get('deaf').restarts === 1, 'it is lost');
    expect(told('instance')?.join()).toMatch(/does not answer \(2 probes of 200 ms\)/);
  }, 60_000);
});
