import { describe, expect, it } from '@jest/globals';
import { EnginePool } from './engine-pool.js';
import type { Engine } from './engine/engine.js';
import { EngineError } from './engine/errors.js';

const never = new AbortController().signal;

interface FakeEngine extends Engine {
  readonly model: string;
  stopped: boolean;
  failed?: EngineError;
}

/** A pool over engines that do nothing but note what happens to them. */
function pool(
  options: {
    maxLoaded?: number;
    keepAliveMs?: number;
    start?: (model: string, signal: AbortSignal) => Promise<void>;
  } = {},
) {
  const started: FakeEngine[] = [];
  const made = new EnginePool<{ slots?: number }>(
    async (model, _overrides, signal) => {
      await options.start?.(model, signal);
      const engine = {
        model,
        stopped: false,
        stop: () => {
          engine.stopped = true;
          return Promise.resolve();
        },
      } as FakeEngine;
      started.push(engine);
      return engine;
    },
    { maxLoaded: options.maxLoaded ?? 2, keepAliveMs: options.keepAliveMs },
  );
  return { pool: made, started, names: () => started.map(({ model }) => model) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to be');
    await turn();
  }
}

describe('EnginePool', () => {
  it('starts one engine however many wait for it', async () => {
    const { pool: engines, names } = pool();
    const leases = await Promise.all([1, 2, 3].map(() => engines.acquire('a', never)));
    expect(names()).toEqual(['a']);
    expect(new Set(leases.map(({ engine }) => engine)).size).toBe(1);
    expect(engines.status('a').phase).toBe('ready');
  });

  it('makes room by the model unused longest', async () => {
    const { pool: engines, started } = pool();
    for (const model of ['a', 'b', 'a']) (await engines.acquire(model, never)).release();
    await engines.acquire('c', never);
    expect(started.filter(({ stopped }) => stopped).map(({ model }) => model)).toEqual(['b']);
  });

  it('never takes a model in use away, and waits for a place instead', async () => {
    const { pool: engines, started, names } = pool({ maxLoaded: 1 });
    const lease = await engines.acquire('a', never);
    const other = engines.acquire('b', never);
    await turn();
    expect(names()).toEqual(['a']);
    // Somebody waiting for its place does not close it to others.
    (await engines.acquire('a', never)).release();
    lease.release();
    expect((await other).engine).toBe(started[1]);
    expect(started[0]?.stopped).toBe(true);
  });

  it('lets the caller leave while it waits, and the load go on', async () => {
    let go: (() => void) | undefined;
    const { pool: engines, names } = pool({ start: () => new Promise((resolve) => (go = resolve)) });
    const leaving = new AbortController();
    const gone = engines.acquire('a', leaving.signal);
    await until(() => go !== undefined);
    leaving.abort(new Error('left'));
    await expect(gone).rejects.toThrow('left');
    go?.();
    await engines.acquire('a', never);
    expect(names()).toEqual(['a']);
  });

  it('remembers why a load failed, and tries again when asked', async () => {
    let broken = true;
    const { pool: engines } = pool({
      start: () => (broken ? Promise.reject(new EngineError('bad_model', 'damaged')) : Promise.resolve()),
    });
    await expect(engines.acquire('a', never)).rejects.toMatchObject({ kind: 'bad_model' });
    expect(engines.status('a')).toEqual({ phase: 'failed', reason: 'damaged' });
    broken = false;
    await engines.acquire('a', never);
    expect(engines.status('a').phase).toBe('ready');
  });

  it('unloads at once when idle, after the last request when not', async () => {
    const { pool: engines, started } = pool();
    const lease = await engines.acquire('a', never);
    await engines.unload('a');
    expect(engines.status('a').phase).toBe('unloading');
    expect(started[0]?.stopped).toBe(false);
    const next = engines.acquire('a', never);
    lease.release();
    expect((await next).engine).toBe(started[1]);
    expect(started[0]?.stopped).toBe(true);
    (await next).release();
    await engines.unload('a');
    expect(engines.status('a').phase).toBe('unloaded');
  });

  it('ends a load that is unloaded', async () => {
    const { pool: engines } = pool({
      start: (_model, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        ),
    });
    const waiting = engines.acquire('a', never);
    await turn();
    await engines.unload('a');
    await expect(waiting).rejects.toMatchObject({ kind: 'stopped' });
    expect(engines.status('a').phase).toBe('unloaded');
  });

  it('keeps models as long as asked', async () => {
    const { pool: engines, started } = pool({ maxLoaded: 3, keepAliveMs: 1 });
    (await engines.acquire('a', never)).release();
    await until(() => started[0]?.stopped === true);
    (await engines.acquire('b', never)).release(0);
    await until(() => started[1]?.stopped === true);
    (await engines.acquire('c', never)).release(-1);
    expect(engines.status('c').expires).toBeUndefined();
    (await engines.acquire('c', never)).release(60_000);
    expect(engines.status('c').expires).toBeInstanceOf(Date);
    await engines.close();
  });

  it('replaces an engine that was given up', async () => {
    const { pool: engines, started } = pool();
    (await engines.acquire('a', never)).release();
    if (started[0] !== undefined) started[0].failed = new EngineError('crashed', 'again and again');
    expect((await engines.acquire('a', never)).engine).toBe(started[1]);
  });

  it('stops everything on close and starts nothing afterwards', async () => {
    const { pool: engines, started } = pool();
    await engines.acquire('a', never);
    await engines.close();
    expect(started[0]?.stopped).toBe(true);
    await expect(engines.acquire('b', never)).rejects.toMatchObject({ kind: 'stopped' });
  });
});
