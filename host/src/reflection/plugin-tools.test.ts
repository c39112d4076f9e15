import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PluginSlot } from '../registry/plugin-slot.js';
import type { PluginSource } from '../registry/plugin-source.js';
import { PluginRegistry } from '../registry/plugin-registry.js';
import { swap } from '../registry/swap.js';
import { FakeLauncher, silentLog, testSource, until } from '../registry/testing/fake-launcher.js';
import { PluginTools } from './plugin-tools.js';

const signal = new AbortController().signal;
const plan = { source: undefined, canaryShare: undefined, canaryMs: 1, canaryRequests: 1, bakeMs: 0, signal };

let launcher: FakeLauncher;
let registry: PluginRegistry;
let tools: PluginTools;
let changes: string[][];
beforeEach(() => {
  launcher = new FakeLauncher();
  launcher.manifest = { tools: ['one', 'two'] };
  registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 100 });
  tools = new PluginTools(registry, () => undefined, silentLog);
  changes = [];
  tools.onChanged(() => changes.push(names()));
});
afterEach(() => registry.close(10));

const names = (): string[] => tools.list().map(({ name }) => name);
const add = async (source: Partial<PluginSource> = {}): Promise<PluginSlot> => {
  const slot = registry.add(testSource({ name: 'a', ...source }));
  await until(() => slot.active !== undefined);
  return slot;
};
const backOff = { minDelayMs: 60_000, maxDelayMs: 60_000, resetAfterMs: 0 };

describe('the tools of a plugin', () => {
  it('stay while it is away for a moment: it crashes, backs off, is exchanged, says that it does not serve', async () => {
    const slot = await add({ swapMode: 'exclusive' });
    launcher.made[0]?.say(false);
    await until(() => slot.active?.serving === false);
    launcher.made[0]?.crash();
    await until(() => slot.status.restarts === 1 && slot.active !== undefined);
    await swap(slot, plan);
    slot.source = testSource({ name: 'a', restart: backOff });
    launcher.made.at(-1)?.crash();
    await until(() => slot.status.retryAt !== undefined);
    expect(names()).toEqual(['a.one', 'a.two']);
    expect(changes).toEqual([['a.one', 'a.two']]);
  });

  it('go when an operator stops it, told once, and come back with it, told once', async () => {
    const slot = await add();
    await slot.stop('drained by an operator', 10);
    await slot.stop('drained by an operator', 10);
    expect(changes).toEqual([['a.one', 'a.two'], []]);
    slot.start();
    await until(() => slot.active !== undefined);
    expect(changes).toEqual([['a.one', 'a.two'], [], ['a.one', 'a.two']]);
  });

  it('go also when it is stopped in the middle of its back-off', async () => {
    const slot = await add({ restart: backOff });
    launcher.made[0]?.crash();
    await until(() => slot.status.retryAt !== undefined);
    await slot.stop('drained by an operator', 10);
    expect(changes).toEqual([['a.one', 'a.two'], []]);
  });

  it('stay when the host ends: nobody is to be told then', async () => {
    await add();
    await registry.close(10);
    expect(changes).toEqual([['a.one', 'a.two']]);
  });
});
