import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PluginSlot } from '../registry/plugin-slot.js';
import type { PluginSource } from '../registry/plugin-source.js';
import { PluginRegistry } from '../registry/plugin-registry.js';
import { swap } from '../registry/swap.js';
import { FakeLauncher, silentLog, testSource, until } from '../registry/testing/fake-launcher.js';
import { EventLog } from '../telemetry/event-log.js';
import { LeftOutTools } from './left-out-tools.js';
import { PluginTools } from './plugin-tools.js';

const signal = new AbortController().signal;
const plan = { source: undefined, canaryShare: undefined, canaryMs: 1, canaryRequests: 1, bakeMs: 0, signal };

let launcher: FakeLauncher;
let registry: PluginRegistry;
let tools: PluginTools;
let changes: string[][];
let events: EventLog;
let leftOut: LeftOutTools;
let prefix: string | undefined;
beforeEach(() => {
  launcher = new FakeLauncher();
  launcher.manifest = { tools: ['one', 'two'] };
  registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 100 });
  events = new EventLog(Date.now);
  leftOut = new LeftOutTools(events, silentLog);
  prefix = undefined;
  tools = new PluginTools(registry, () => prefix, leftOut);
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

describe('tools whose names collide', () => {
  const told = (): string[] =>
    events.since(0).map(({ type, plugin, message }) => `${type} ${plugin}: ${message}`);

  it('are left out of the later plugin, told once in the events, and shown with it', async () => {
    prefix = '';
    await add({ name: 'a' });
    const b = await add({ name: 'b' });
    const one = 'tool one is not offered: plugin a has one of that name';
    const two = 'tool two is not offered: plugin a has one of that name';
    expect(names()).toEqual(['one', 'two']);
    expect(told()).toEqual([`tools b: ${one}; ${two}`]);
    expect(leftOut.of('b')).toEqual([one, two]);
    // Another instance of the same build is no news.
    await swap(b, plan);
    expect(told()).toHaveLength(1);
    await registry.remove('a', 10);
    expect(leftOut.of('b')).toEqual([]);
    expect(told()).toHaveLength(1);
  });

  it('are named as far as one can read', async () => {
    launcher.manifest = { tools: [...Array.from({ length: 30 }, () => 'same'), 'not a name'] };
    await add();
    const [event, ...more] = told();
    expect(more).toEqual([]);
    expect(event).toMatch(
      /^tools a: (tool a\.same is not offered: it has two of that name; ){5}and 25 more$/,
    );
    expect(leftOut.of('a')).toHaveLength(21);
  });

  it('are told as well when the MCP door does not show them', async () => {
    await add();
    const refused = [{ name: 'a.one', reason: 'another tool has this name' }];
    tools.notShown(refused);
    tools.notShown(refused);
    const line = 'tool a.one is not offered over MCP: another tool has this name';
    expect(told()).toEqual([`tools a: ${line}`]);
    expect(leftOut.of('a')).toEqual([line]);
    tools.notShown([]);
    expect(leftOut.of('a')).toEqual([]);
  });
});
