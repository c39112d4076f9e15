import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { PluginAdmin } from '../admin/plugin-admin.js';
import { GatewayError } from '../errors/gateway-error.js';
import { EventLog } from '../telemetry/event-log.js';
import { PluginRegistry } from './plugin-registry.js';
import type { PluginSource } from './plugin-source.js';
import { Reconciler } from './reconciler.js';
import { FakeLauncher, silentLog, testSource, until } from './testing/fake-launcher.js';

const never = new AbortController().signal;
let launcher: FakeLauncher;
let registry: PluginRegistry;
let admin: PluginAdmin;
let reconciler: Reconciler;

beforeEach(() => {
  launcher = new FakeLauncher();
  registry = new PluginRegistry({ launcher, log: silentLog, now: () => 1000, holdMs: 100 });
  const events = new EventLog(() => 1000);
  admin = new PluginAdmin(registry, events);
  reconciler = new Reconciler({
    registry,
    exchange: (slot, source) => admin.exchange(slot, source, { bakeMs: 0 }, never),
    // As discovery does: again and again while somebody else is at it.
    alone: async (slot, work) => {
      for (;;) {
        try {
          return await admin.alone(slot, work);
        } catch (thrown) {
          if (GatewayError.from(thrown).kind !== 'conflict') throw thrown;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
    },
    events,
    log: silentLog,
    onSources: () => undefined,
  });
});
afterEach(() => registry.close(100));

const a = (over: Partial<PluginSource> = {}) => testSource({ name: 'a', ...over });
const b = testSource({ name: 'b' });
const slot = () => registry.get('a');
const active = () => until(() => slot()?.active !== undefined);
const command = () => {
  const { origin } = slot()?.source ?? {};
  return origin?.kind === 'spawn' ? origin.command : undefined;
};

it('leaves what an operator swapped in, as long as nothing is new about the plugin itself', async () => {
  await reconciler.apply([a()]);
  await active();
  await admin.swap('a', { command: ['newer'], bakeMs: 0 }, never);
  const swappedIn = slot()?.active;
  expect(await reconciler.apply([a(), b])).toMatchObject({ added: ['b'], swapped: [] });
  expect(await reconciler.apply([a({ drainTimeoutMs: 5 }), b])).toMatchObject({ swapped: [], refused: [] });
  expect(slot()?.active).toBe(swappedIn);
  expect(slot()?.source.drainTimeoutMs).toBe(5);
  expect(command()).toEqual(['newer']);

  const other = a({ origin: { kind: 'spawn', command: ['newest'], env: {}, cwd: undefined } });
  expect(await reconciler.apply([other, b])).toMatchObject({ swapped: ['a'] });
  expect(command()).toEqual(['newest']);
});

it('tries again what was refused when it is applied again', async () => {
  await reconciler.apply([a()]);
  await active();
  launcher.failing = new GatewayError('plugin_unavailable', 'it does not start');
  const next = a({ config: { better: true } });
  expect((await reconciler.apply([next])).refused).toEqual([{ plugin: 'a', reason: 'it does not start' }]);
  launcher.failing = undefined;
  expect(await reconciler.apply([next])).toMatchObject({ swapped: ['a'], refused: [] });
});

it('does not lose a change that comes in the middle of a swap', async () => {
  await reconciler.apply([a()]);
  await active();
  const swapping = admin.swap('a', { canaryShare: 0.5, canaryMs: 40, bakeMs: 0 }, never);
  await until(() => slot()?.canary !== undefined);
  slot()?.canary?.launched.instance.track.note(false, 1);
  await reconciler.apply([a({ maxInFlight: 7 })]);
  await swapping;
  expect(slot()?.source.maxInFlight).toBe(7);
  expect(slot()?.active?.capacity).toBe(7);
});

it('takes another instance at the address of an announced plugin in its place, unless it is there already', async () => {
  const announced = (instance: string) =>
    a({ origin: { kind: 'attach', address: 'unix:/run/a.sock', tls: undefined, instance } });
  await reconciler.announce([announced('first')]);
  await active();
  const first = slot()?.active;
  expect(await reconciler.announce([announced('second')])).toMatchObject({ swapped: ['a'], refused: [] });
  const second = slot()?.active;
  expect(second).not.toBe(first);
  // It came back by itself before it was announced.
  const known = announced(second?.instanceId ?? '');
  expect(await reconciler.announce([known])).toMatchObject({ swapped: [], refused: [] });
  expect(slot()?.active).toBe(second);
  expect(slot()?.source).toEqual(known);
});
