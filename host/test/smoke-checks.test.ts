import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { EngineRoom } from '../src/engine-room.js';
import { active, ask, misbehaving, misbehavingPlugin, openRoom, oracle, until } from './support/room.js';

const never = new AbortController().signal;
const checksOf = (room: EngineRoom, plugin: string) =>
  room.events
    .since(0)
    .filter((event) => event.type === 'check' && event.plugin === plugin)
    .map(({ message }) => message);

describe('a candidate that breaks a check', () => {
  let room: EngineRoom;
  beforeAll(async () => {
    room = await openRoom({ plugins: { bad: misbehaving('none', { startTimeoutMs: 9000 }) } });
    await active(room, 'bad');
  }, 30_000);
  afterAll(() => room.close(500));

  it.each<[string, RegExp]>([
    ['other-instance', /plugin bad failed check ID-03: it gave instance_id "i-\d+-0", and then "i-\d+-[12]"/],
    ['other-capabilities', /failed check ID-05: it announced other capabilities the second time/],
    ['unserved', /failed check ID-06: it announces Embed and answers it with UNIMPLEMENTED/],
    ['model-twice', /failed check MDL-01: it lists the model "bad" twice/],
    ['model-nameless', /failed check MDL-01: it lists a model without an id/],
    ['models-endless', /failed check MDL-01: it gives the same page_token again/],
    ['finds-any-model', /failed check MDL-02: it answers GetModel for a model that it does not list/],
    ['unknown-error', /failed check ERR-02: it ends Generate with messages with UNKNOWN/],
    ['never-refuses', /failed check \S+: Generate with messages did not end within 3000 ms/],
  ])(
    '%s is refused in one line, and the old one serves on',
    async (mode, why) => {
      const before = room.registry.get('bad')?.active;
      const swapping = room.admin.swap(
        'bad',
        { command: [process.execPath, misbehavingPlugin, mode] },
        never,
      );
      const error = await swapping.then(
        () => new Error('it was taken in'),
        (thrown: unknown) => thrown as Error,
      );
      expect(error.message).toMatch(why);
      expect(error.message).not.toContain('\n');
      expect(room.registry.get('bad')?.active).toBe(before);
      expect(room.admin.get('bad').instances).toHaveLength(1);
      expect((await ask(room, 'bad/bad', 'x')).error).toBeUndefined();
      const events = room.events.since(0).filter(({ plugin }) => plugin === 'bad');
      expect(events.filter(({ to }) => to === 'rejected').at(-1)?.message).toMatch(why);
      expect(events.at(-1)).toMatchObject({ type: 'swap', message: `swap refused: ${error.message}` });
    },
    30_000,
  );
});

describe('smoke checks', () => {
  let room: EngineRoom | undefined;
  afterEach(async () => {
    await room?.close(500);
    room = undefined;
  });

  it('take in what is odd, and say so', async () => {
    room = await openRoom({ plugins: { bad: misbehaving('none'), good: oracle() } });
    await active(room, 'bad');
    await active(room, 'good');
    expect(checksOf(room, 'bad').map((line) => /^check (\S+):/.exec(line)?.[1])).toEqual([
      'HLT-03',
      'ERR-01',
      'LIF-09',
    ]);
    expect(checksOf(room, 'good')).toEqual([]);
  }, 30_000);

  it('take in one that answers with its model whatever name it is given', async () => {
    room = await openRoom({ plugins: { bad: misbehaving('answers-any-model') } });
    await active(room, 'bad');
    expect(checksOf(room, 'bad').join()).toMatch(/MDL-02: it answers Generate with messages for a model/);
  }, 30_000);

  it('refuse a plugin at its first start too', async () => {
    room = await openRoom({ plugins: { bad: misbehaving('model-twice') } });
    await until(() => room?.admin.get('bad').reason !== '', 'it is refused');
    expect(room.admin.get('bad').reason).toMatch(/failed check MDL-01/);
    expect(room.registry.get('bad')?.active).toBeUndefined();
  }, 30_000);

  it('let a plugin start whose runtime does not answer: it replaces nobody', async () => {
    room = await openRoom({ plugins: { bad: misbehaving('never-refuses', { startTimeoutMs: 3000 }) } });
    await active(room, 'bad');
    expect(checksOf(room, 'bad').join()).toMatch(/Generate with messages did not end within 1000 ms/);
  }, 30_000);

  it.each([
    ['warn', 1],
    ['off', 0],
  ] as const)(
    'only tell, or do not look, where the configuration says %s',
    async (smokeChecks, told) => {
      room = await openRoom({ plugins: { bad: misbehaving('model-nameless', { smokeChecks }) } });
      await active(room, 'bad');
      const lines = checksOf(room, 'bad').filter((line) => line.includes('MDL-01'));
      expect(lines).toHaveLength(told);
    },
    30_000,
  );
});
