import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { SwapMode } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import {
  nextState,
  leasable,
  transitions,
  type InstanceEvent,
  type InstanceState,
} from './instance-state.js';
import type { Lease } from './instance.js';
import { PluginSlot, type SlotPort } from './plugin-slot.js';
import type { PluginSource } from './plugin-source.js';
import { swap, type SwapPlan } from './swap.js';
import { FakeLauncher, silentLog, testSource, until } from './testing/fake-launcher.js';

const forever = new AbortController().signal;
const plan: SwapPlan = {
  source: undefined,
  canaryShare: undefined,
  canaryMs: 40,
  canaryRequests: 20,
  bakeMs: 0,
  signal: forever,
};

function setUp(source: Partial<PluginSource> = {}, port: Partial<SlotPort> = {}) {
  const launcher = new FakeLauncher();
  const changed: (string | undefined)[] = [];
  const slot = new PluginSlot(testSource(source), {
    launcher,
    log: silentLog,
    now: () => 1000,
    random: () => 0.5,
    maxQueued: 100,
    queueMs: 5000,
    activeChanged: ({ active }) => changed.push(active?.instanceId),
    ...port,
  });
  return { launcher, slot, changed };
}

async function started(source: Partial<PluginSource> = {}, port: Partial<SlotPort> = {}) {
  const all = setUp(source, port);
  all.slot.start();
  await until(() => all.slot.active !== undefined);
  return all;
}

async function refusal(promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise;
  } catch (thrown) {
    return GatewayError.from(thrown);
  }
  throw new Error('it was not refused');
}

describe('leases', () => {
  it('are held back while the plugin starts, and given in order of arrival', async () => {
    const { slot, launcher } = setUp({ maxInFlight: 1 });
    slot.start();
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (number) => {
      const lease = await slot.lease(forever, 5000);
      order.push(number);
      lease.release();
    });
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(launcher.starts).toBe(1);
    await slot.close(100);
  });

  it('wait in a bounded queue when the plugin has all it may have', async () => {
    const { slot } = await started({ maxInFlight: 1 }, { maxQueued: 2, queueMs: 5000 });
    const first = slot.tryLease() as Lease;
    expect(slot.tryLease()).toBeUndefined();
    const waiting = [slot.lease(forever, 1), slot.lease(forever, 1)];
    expect(await refusal(slot.lease(forever, 1))).toMatchObject({ kind: 'queue_full', retryAfterMs: 1000 });
    first.release();
    const second = await (waiting[0] as Promise<Lease>);
    // Nobody overtakes the one that waits.
    expect(slot.tryLease()).toBeUndefined();
    second.release();
    second.release();
    const third = await (waiting[1] as Promise<Lease>);
    expect(third.instance.inFlight).toBe(1);
    third.release();
    await slot.close(100);
  });

  it('of a plugin that says it is not serving are held for a bounded time, then refused with the reason', async () => {
    const { slot, launcher } = await started();
    const { instance } = launcher.made[0] as (typeof launcher.made)[0];
    instance.heardServing(false);
    expect(slot.tryLease()).toBeUndefined();
    const error = await refusal(slot.lease(forever, 5));
    expect(error).toMatchObject({
      kind: 'plugin_unavailable',
      message: 'plugin fake says that it is not serving',
      retryAfterMs: 1000,
    });
    const held = [slot.lease(forever, 5000), slot.lease(forever, 5000)];
    instance.heardServing(true);
    for (const lease of await Promise.all(held)) lease.release();
    // It was neither taken for lost nor started again.
    expect(slot.status).toMatchObject({ state: 'active', reason: '', restarts: 0 });
    expect(launcher.starts).toBe(1);
    await slot.close(100);
  });

  it('go to the active one while a canary says that it is not serving', async () => {
    const { slot } = await started({}, { random: () => 0 });
    const swapping = refusal(swap(slot, { ...plan, canaryShare: 1, canaryMs: 50 }));
    await until(() => slot.canary !== undefined);
    slot.canary?.launched.instance.heardServing(false);
    const lease = slot.tryLease();
    expect(lease?.instance.instanceId).toBe('i1');
    lease?.release();
    await slot.close(100);
    await swapping;
  });

  it('of a busy plugin are given up after a bounded time, or with their caller', async () => {
    const { slot } = await started({ maxInFlight: 1 }, { queueMs: 5 });
    const held = slot.tryLease() as Lease;
    expect(await refusal(slot.lease(forever, 1))).toMatchObject({ kind: 'queue_full' });
    const caller = new AbortController();
    const waiting = slot.lease(caller.signal, 5000);
    caller.abort(new GatewayError('cancelled', 'the caller left'));
    expect(await refusal(waiting)).toMatchObject({ kind: 'cancelled' });
    expect(slot.queued).toBe(0);
    held.release();
    await slot.close(100);
  });
});

describe('a plugin that ends', () => {
  it('is started again after a growing time, and fails fast with the reason from the second time on', async () => {
    let now = 1000;
    const random = jest.fn(() => 0);
    const restart = { minDelayMs: 20, maxDelayMs: 30, resetAfterMs: 60_000 };
    const { slot, launcher } = await started({ restart }, { now: () => now, random });
    launcher.failing = new GatewayError('plugin_unavailable', 'plugin fake exited with status 9');
    launcher.made[0]?.crash();
    await until(() => slot.status.restarts === 1);
    // The first crash may be an accident: callers are held.
    expect(slot.status).toMatchObject({
      state: 'starting',
      retryAt: 1020,
      reason: 'plugin fake exited with status 7',
    });
    await until(() => slot.status.restarts === 2);
    expect(slot.status).toMatchObject({ state: 'backoff', retryAt: 1030 });
    now = 1005;
    const error = await refusal(slot.lease(forever, 5000));
    expect(error).toMatchObject({
      kind: 'plugin_unavailable',
      message: 'plugin fake exited with status 9',
      notStarted: true,
    });
    expect(error.retryAfterMs).toBe(100);
    launcher.failing = undefined;
    await until(() => slot.active !== undefined);
    expect(slot.status).toMatchObject({ state: 'active', reason: '', retryAt: undefined });
    await slot.close(100);
  });

  it('lets those who wait know at once when it will not come back soon', async () => {
    const { slot, launcher } = await started({
      restart: { minDelayMs: 60_000, maxDelayMs: 60_000, resetAfterMs: 0 },
    });
    launcher.failing = new Error('no');
    slot.source = testSource();
    launcher.made[0]?.crash();
    await until(() => slot.status.state !== 'active');
    expect((await refusal(slot.lease(forever, 30_000))).kind).toBe('plugin_unavailable');
    await slot.close(100);
  });

  it('is started at once when it is asked for during back-off', async () => {
    const { slot, launcher } = await started({
      restart: { minDelayMs: 60_000, maxDelayMs: 60_000, resetAfterMs: 0 },
    });
    launcher.made[0]?.crash();
    await until(() => slot.status.retryAt !== undefined);
    slot.start();
    await until(() => slot.active !== undefined);
    await slot.close(100);
  });

  it('stays down when it was stopped, whatever was under way', async () => {
    const { slot, launcher } = await started({ restart: { minDelayMs: 5, maxDelayMs: 5, resetAfterMs: 0 } });
    launcher.made[0]?.crash();
    await until(() => slot.status.restarts === 1);
    await slot.stop('drained by an operator', 100);
    const { starts } = launcher;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(slot.status).toMatchObject({ state: 'stopped', reason: 'drained by an operator' });
    expect(launcher.starts).toBe(starts);
    slot.start();
    await until(() => slot.active !== undefined);
    await slot.close(100);
  });
});

describe('a swap', () => {
  it('gives every request to the new one from the commit on and lets the old one finish', async () => {
    const { slot, launcher, changed } = await started();
    const lease = slot.tryLease() as Lease;
    const result = await swap(slot, plan);
    expect(result).toMatchObject({ from: '1.0.1', to: '1.0.2', pauseMs: 0 });
    expect(slot.tryLease()?.instance.instanceId).toBe('i2');
    expect(lease.instance.state).toBe('draining');
    expect(launcher.made[0]?.disposed).toBe(false);
    lease.release();
    await until(() => launcher.made[0]?.disposed === true);
    expect(changed).toEqual(['i1', 'i2']);
    await slot.close(1);
  });

  it.each<[string, Partial<FakeLauncher>, RegExp]>([
    [
      'does not start',
      { failing: new GatewayError('plugin_unavailable', 'plugin fake exited with status 3') },
      /status 3/,
    ],
    ['has another name', { manifest: { name: 'other' } }, /it calls itself other, the active one is fake/],
    ['lost a service', { manifest: { services: [] } }, /no longer serves a\.B/],
    ['lost an operation', { manifest: { services: ['a.B'], operations: [1] } }, /no longer offers/],
  ])('is refused when the new one %s; nothing changes', async (_what, next, why) => {
    const all = setUp();
    all.launcher.manifest = { services: ['a.B'], operations: [1, 2] };
    all.slot.start();
    await until(() => all.slot.active !== undefined);
    const { active, source } = all.slot;
    Object.assign(all.launcher, { manifest: { services: ['a.B'], operations: [1, 2], name: 'fake' } }, next);
    const error = await refusal(swap(all.slot, { ...plan, source: testSource({ config: { a: 1 } }) }));
    expect(error.message).toMatch(why);
    expect(error.message).not.toContain('\n');
    expect(all.slot.active).toBe(active);
    expect(all.slot.source).toBe(source);
    expect(all.launcher.made.slice(1).every(({ disposed }) => disposed)).toBe(true);
    expect(all.slot.tryLease()?.instance).toBe(active);
    await all.slot.close(1);
  });

  it('is undone when the new one crashes while the old one is kept, source and all', async () => {
    const { slot, launcher } = await started();
    const { active: old, source } = slot;
    await swap(slot, { ...plan, source: testSource({ config: { broken: true } }), bakeMs: 60_000 });
    launcher.made[1]?.crash();
    await until(() => slot.active === old);
    // Why is told with the change and kept where it belongs.
    expect(old).toMatchObject({ state: 'active', reason: '' });
    expect(launcher.changes.find(({ event }) => event === 'rollback')?.reason).toMatch(
      /^the new instance is gone: .*status 7$/,
    );
    expect(
      launcher.changes.filter(({ to }) => to === 'crashed').map(({ instance, reason }) => [instance, reason]),
    ).toEqual([[launcher.made[1]?.instance, expect.stringContaining('status 7')]]);
    expect(slot.source).toBe(source);
    expect(slot.status).toMatchObject({ state: 'active', restarts: 0 });
    expect(slot.tryLease()?.instance).toBe(old);
    await slot.close(1);
  });

  it('is refused under another name also while the plugin is away', async () => {
    const { slot, launcher } = await started();
    await slot.stop('drained by an operator', 10);
    launcher.manifest = { name: 'other' };
    const error = await refusal(swap(slot, plan));
    expect(error.message).toMatch(/it calls itself other, the one before was fake/);
    expect(slot.status).toMatchObject({ state: 'stopped', reason: 'drained by an operator' });
    launcher.manifest = {};
    await swap(slot, plan);
    expect(slot.status.state).toBe('active');
    await slot.close(1);
  });

  it.each([
    ['soon after', 60_000, {}],
    ['later', 0, { big: true }],
  ])('starts the right one when a lone new one crashes %s', async (_when, bakeMs, config) => {
    const { slot, launcher } = await started({ swapMode: 'exclusive' });
    await swap(slot, {
      ...plan,
      bakeMs,
      source: testSource({ swapMode: 'exclusive', config: { big: true } }),
    });
    launcher.made[1]?.crash();
    await until(() => slot.active !== undefined && launcher.starts === 3);
    expect(slot.source.config).toEqual(config);
    await slot.close(1);
  });

  it('takes a canary in when it does well', async () => {
    const { slot } = await started({}, { random: () => 0 });
    const swapping = swap(slot, { ...plan, canaryShare: 0.5, canaryMs: 5000, canaryRequests: 3 });
    await until(() => slot.canary !== undefined);
    for (let i = 0; i < 3; i++) {
      const lease = slot.tryLease() as Lease;
      expect(lease.instance.state).toBe('canary');
      lease.instance.track.note(false, 5);
      lease.release();
    }
    expect(await swapping).toMatchObject({
      verdict: '3 requests, 0 failed, first token after 5 ms in the median',
    });
    expect(slot.active?.instanceId).toBe('i2');
    expect(slot.canary).toBeUndefined();
    await slot.close(1);
  });

  it.each([
    ['fails too often', true, 5, /requests failed as a canary/],
    ['is too slow', false, 500, /first token takes 500 ms in the median, the active one's 5 ms/],
  ])('turns a canary away that %s', async (_what, failed, firstTokenMs, why) => {
    const { slot, launcher } = await started({}, { random: () => 0 });
    const { active } = slot;
    active?.track.note(false, 5);
    const swapping = refusal(swap(slot, { ...plan, canaryShare: 0.5, canaryMs: 5000, canaryRequests: 3 }));
    await until(() => slot.canary !== undefined);
    for (let i = 0; i < 3; i++) slot.canary?.launched.instance.track.note(failed, firstTokenMs);
    expect((await swapping).message).toMatch(why);
    expect(slot.active).toBe(active);
    await until(() => launcher.made[1]?.disposed === true);
    await slot.close(1);
  });

  it.each([
    [
      'to which no request came',
      0,
      /: nothing was learnt of it as a canary: no request came to it within 40 ms; /,
    ],
    ['whose requests do not end', 2, /: none of its 2 request\(s\) ended within 80 ms; /],
  ])('turns a canary away %s: it would be a blind exchange', async (_what, requests, why) => {
    const { slot, launcher } = await started({}, { random: () => 0 });
    const swapping = refusal(swap(slot, { ...plan, canaryShare: 0.5 }));
    await until(() => slot.canary !== undefined);
    const leases = Array.from({ length: requests }, () => slot.tryLease() as Lease);
    // What it has it ends before it goes.
    await until(() => launcher.made[1]?.instance.state !== 'canary');
    leases.forEach((lease) => lease.release());
    expect(await swapping).toMatchObject({
      kind: 'conflict',
      message: expect.stringMatching(why) as unknown,
    });
    expect(slot.active?.instanceId).toBe('i1');
    await until(() => launcher.made[1]?.disposed === true);
    await slot.close(1);
  });

  it('says of a canary that it had fewer requests than were wanted', async () => {
    const { slot } = await started({}, { random: () => 0 });
    const swapping = swap(slot, { ...plan, canaryShare: 0.5, canaryMs: 200, canaryRequests: 3 });
    await until(() => slot.canary !== undefined);
    const lease = slot.tryLease() as Lease;
    lease.instance.track.note(false, 5);
    lease.release();
    expect(await swapping).toMatchObject({
      verdict: '1 request (of 3 wanted), 0 failed, first token after 5 ms in the median',
    });
    await slot.close(1);
  });

  it('turns a canary away that crashes, and one whose swap is called off', async () => {
    const { slot, launcher } = await started({}, { random: () => 0 });
    const first = refusal(swap(slot, { ...plan, canaryShare: 0.5, canaryMs: 5000 }));
    await until(() => slot.canary !== undefined);
    launcher.made[1]?.crash();
    expect((await first).message).toMatch(/it ended: .*status 7/);
    const off = new AbortController();
    const second = refusal(swap(slot, { ...plan, canaryShare: 0.5, canaryMs: 5000, signal: off.signal }));
    await until(() => slot.canary !== undefined);
    off.abort(new GatewayError('cancelled', 'called off'));
    expect(await second).toMatchObject({ kind: 'cancelled' });
    await until(() => launcher.made[2]?.disposed === true);
    expect(slot.active?.instanceId).toBe('i1');
    await slot.close(1);
  });

  it('waits for the old one first where only one can be, and brings it back when the new one does not start', async () => {
    const { slot, launcher } = await started({ swapMode: 'exclusive' });
    const lease = slot.tryLease() as Lease;
    const swapping = swap(slot, plan);
    await until(() => lease.instance.state === 'draining');
    const held = slot.lease(forever, 5000);
    expect(launcher.starts).toBe(1);
    lease.release();
    expect(await swapping).toMatchObject({ from: '1.0.1', to: '1.0.2' });
    expect((await held).instance.instanceId).toBe('i2');
    (await held).release();

    launcher.failing = new GatewayError('plugin_unavailable', 'no room on the device');
    const again = refusal(
      swap(slot, { ...plan, source: testSource({ swapMode: 'exclusive', config: { big: true } }) }),
    );
    expect((await again).message).toBe('no room on the device');
    launcher.failing = undefined;
    await until(() => slot.active !== undefined);
    expect(slot.source.config).toEqual({});
    await slot.close(1);
  });

  it('never starts a second one beside the first where only one can be, not even during back-off', async () => {
    const all = setUp({ restart: { minDelayMs: 20, maxDelayMs: 20, resetAfterMs: 0 } });
    all.launcher.manifest = { swapMode: SwapMode.SWAP_MODE_EXCLUSIVE };
    all.slot.start();
    await until(() => all.slot.active !== undefined);
    all.launcher.made[0]?.crash();
    await until(() => all.slot.status.retryAt !== undefined);
    let release = (): void => undefined;
    all.launcher.held = new Promise((resolve) => (release = resolve));
    const swapping = swap(all.slot, plan);
    // The back-off would be over by now.
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(all.launcher.starts).toBe(2);
    release();
    await swapping;
    const alive = all.launcher.made.filter(({ disposed, crashed }) => !disposed && !crashed);
    expect(alive).toHaveLength(1);
    expect(all.slot.active).toBe(alive[0]?.instance);
    await all.slot.close(1);
  });

  it('gives up a start that it makes superfluous, and says why', async () => {
    const { slot, launcher } = await started();
    let release = (): void => undefined;
    launcher.held = new Promise((resolve) => (release = resolve));
    launcher.made[0]?.crash();
    await until(() => launcher.starts === 2, 'it is started again');
    launcher.held = Promise.resolve();
    await swap(slot, plan);
    expect(launcher.signals[1]?.reason).toMatchObject({
      kind: 'cancelled',
      message: 'another instance took over',
    });
    release();
    await slot.close(1);
    expect(launcher.made.filter(({ disposed }) => !disposed)).toEqual([]);
  });

  it('leaves a stopped plugin stopped when it comes to nothing', async () => {
    const { slot, launcher } = await started({ swapMode: 'exclusive' });
    await slot.stop('drained by an operator', 100);
    launcher.failing = new GatewayError('plugin_unavailable', 'no room on the device');
    expect((await refusal(swap(slot, plan))).message).toBe('no room on the device');
    launcher.failing = undefined;
    expect(slot.status).toMatchObject({ state: 'stopped', reason: 'drained by an operator' });
    expect(slot.active).toBeUndefined();
    await slot.close(1);
  });

  it('refuses a canary where only one can be', async () => {
    const { slot, launcher } = await started({ swapMode: 'exclusive' });
    const error = await refusal(swap(slot, { ...plan, canaryShare: 0.1 }));
    expect(error).toMatchObject({ kind: 'conflict', param: 'canary_share' });
    expect(launcher.starts).toBe(1);
    expect(slot.active?.state).toBe('active');
    await slot.close(1);
  });

  it('is undone when the new one says that it does not serve while the old one is kept', async () => {
    const { slot, launcher } = await started();
    const { active: old } = slot;
    await swap(slot, { ...plan, bakeMs: 60_000 });
    launcher.made[1]?.say(false);
    await until(() => slot.active === old);
    expect(slot.tryLease()?.instance).toBe(old);
    await until(() => launcher.made[1]?.disposed === true);
    await slot.close(1);
  });

  it('ends what the old one still does when its time is over', async () => {
    const { slot, launcher } = await started({ drainTimeoutMs: 20 });
    const lease = slot.tryLease() as Lease;
    const ended = new Promise<string>((resolve) => {
      lease.instance.transport
        .call('/x.Y/Slow', undefined, { message: () => undefined, end: ({ message }) => resolve(message) })
        .send(Buffer.alloc(0));
    });
    await swap(slot, plan);
    expect(await ended).toMatch(
      /taken out of service \(replaced\); this request was not complete within 20 ms/,
    );
    await until(() => launcher.made[0]?.disposed === true);
    lease.release();
    await slot.close(1);
  });
});

describe('the table of states', () => {
  it('has a way out of every state but the last, and leases out of none that is on its way', () => {
    for (const [state, row] of Object.entries(transitions)) {
      expect(Object.keys(row).length > 0).toBe(state !== 'stopped');
    }
    expect([...leasable].sort()).toEqual(['active', 'canary']);
    expect(nextState('draining', 'rollback')).toBe('active');
    expect(nextState('stopping', 'rollback')).toBeUndefined();
  });

  it('is followed by an instance whatever happens', () => {
    const events = [
      ...new Set(Object.values(transitions).flatMap((row) => Object.keys(row))),
    ] as InstanceEvent[];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (sequence) => {
        const { instance } = new FakeLauncher().make(testSource());
        let state: InstanceState = instance.state;
        for (const event of sequence) {
          const next = nextState(state, event);
          expect(instance.apply(event)).toBe(next !== undefined);
          state = next ?? state;
          expect(instance.state).toBe(state);
          const lease = instance.lease();
          expect(lease !== undefined).toBe(state === 'active' || state === 'canary');
          lease?.release();
        }
      }),
    );
  });
});

type Step =
  | { readonly do: 'lease' | 'swap' | 'canary' | 'badSwap' | 'crash' | 'stop' | 'start' | 'health' | 'wait' }
  | { readonly do: 'release'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'lease' }) },
  { weight: 5, arbitrary: fc.nat(50).map((which): Step => ({ do: 'release', which })) },
  {
    weight: 5,
    arbitrary: fc.constantFrom<Step>(
      { do: 'swap' },
      { do: 'canary' },
      { do: 'badSwap' },
      { do: 'crash' },
      { do: 'health' },
      { do: 'wait' },
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'stop' }, { do: 'start' }) },
);

describe('the slot as a model', () => {
  it('never has two actives, never leases one that goes, never loses a lease', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const { slot, launcher } = setUp({}, { random: Math.random });
        slot.start();
        const leases: Lease[] = [];
        const works: Promise<unknown>[] = [];
        let swapping: Promise<unknown> | undefined;
        const actives = () => launcher.made.filter(({ instance }) => instance.state === 'active');
        launcher.onChange = () => {
          expect(actives().length).toBeLessThanOrEqual(1);
        };
        const check = (): void => {
          const active = actives();
          expect(active.length).toBeLessThanOrEqual(1);
          if (slot.active !== undefined) expect(slot.active).toBe(active[0]?.instance);
          else expect(active).toEqual([]);
          // What was put away had no request, unless it had crashed.
          for (const made of launcher.made) expect(made.leasesAtDisposal).toBe(0);
          for (const { from, event, to } of launcher.changes) expect(nextState(from, event)).toBe(to);
          const counted = launcher.made.reduce((sum, { instance }) => sum + instance.inFlight, 0);
          expect(counted).toBe(leases.length);
        };
        const swapOnce = (how: Partial<SwapPlan>): void => {
          if (swapping !== undefined) return;
          swapping = swap(slot, { ...plan, canaryMs: 3, ...how })
            .catch(() => undefined)
            .finally(() => {
              swapping = undefined;
            });
          works.push(swapping);
        };
        const act: Record<Step['do'], (one: Step) => unknown> = {
          lease: () => {
            const lease = slot.tryLease();
            if (lease === undefined) return;
            expect(['active', 'canary']).toContain(lease.instance.state);
            leases.push(lease);
          },
          release: (one) => {
            if (one.do !== 'release' || leases.length === 0) return;
            const [lease] = leases.splice(one.which % leases.length, 1);
            // Without an end of a request no canary is committed.
            lease?.instance.track.note(false, 1);
            lease?.release();
          },
          swap: () => swapOnce({ bakeMs: 2 }),
          canary: () => swapOnce({ canaryShare: 0.5 }),
          badSwap: () => {
            launcher.manifest = { name: 'other' };
            swapOnce({});
          },
          crash: () => {
            const made = launcher.made.findLast((one) => !one.disposed);
            made?.crash();
          },
          stop: () => {
            works.push(slot.stop('stopped', 60_000));
          },
          start: () => slot.start(),
          health: () => slot.active?.heardServing(!slot.active.serving),
          wait: () => new Promise((resolve) => setTimeout(resolve, 2)),
        };
        for (const one of steps) {
          await act[one.do](one);
          check();
          await new Promise((resolve) => setImmediate(resolve));
          launcher.manifest = {};
          check();
        }
        for (const lease of leases.splice(0)) lease.release();
        await slot.close(1000);
        await Promise.all(works);
        check();
        expect(slot.instances).toEqual([]);
        for (const made of launcher.made) {
          expect(made.disposed).toBe(true);
          expect(made.instance.state).toBe('stopped');
          expect(made.instance.inFlight).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
