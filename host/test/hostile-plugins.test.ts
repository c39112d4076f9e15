import { afterEach, describe, expect, it } from '@jest/globals';
import { GenerateRequest } from '@outrigger/proto';
import type { EngineRoom } from '../src/engine-room.js';
import { active, ask, misbehaving, openRoom, oracle, until } from './support/room.js';

let room: EngineRoom | undefined;
afterEach(async () => {
  await room?.close(200);
  room = undefined;
});

/** A room with the hostile plugin beside a good one. */
async function beside(mode: string, more: Parameters<typeof misbehaving>[1] = {}): Promise<EngineRoom> {
  room = await openRoom({ plugins: { bad: misbehaving(mode, more), good: oracle() } });
  await active(room, 'good');
  return room;
}

async function goodServes(from: EngineRoom): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, seed) => ask(from, 'oracle', `${seed} 3 1`)),
  );
  expect(answers.flatMap(({ error }) => error ?? [])).toEqual([]);
}

describe('a plugin that cannot be taken in', () => {
  it.each<[string, RegExp]>([
    ['silent-reflection', /did not answer reflection within|was not ready within/],
    ['reflection-garbage', /with bytes that cannot be read/],
    ['many-services', /more than 1000 services/],
    ['broken-descriptors', /a descriptor that cannot be read/],
    ['other-descriptors', /span more than 500 files/],
    ['wrong-descriptors', /reflection does not know evil\.v1\.Evil/],
    ['bad-name', /calls itself "Not A Name!": not a plugin name/],
    ['carry-refused', /it announces Generate .* and answers it with UNIMPLEMENTED/],
    ['hangs', /was not ready within|did not answer|not complete/],
    ['garbage', /./],
  ])(
    '%s is refused in one line and hurts nobody',
    async (mode, why) => {
      const all = await beside(mode, { startTimeoutMs: /silent|hangs/.test(mode) ? 3000 : 12_000 });
      await until(() => all.admin.get('bad').reason !== '', 'it is refused');
      expect(all.admin.get('bad').reason).toMatch(why);
      expect(all.admin.get('bad').reason).not.toContain('\n');
      expect(all.registry.get('bad')?.active).toBeUndefined();
      await goodServes(all);
    },
    60_000,
  );
});

describe('a plugin that answers badly', () => {
  it.each<[string, RegExp]>([
    ['out-of-order', /sent frame 2 where 1 was due/],
    ['after-end', /sent more after the end/],
    ['no-end', /ended the stream before the answer was whole/],
    ['frame-garbage', /sent a frame that cannot be read/],
    ['huge', /a limit on messages|does not answer|cannot be read/],
    ['dies', /does not answer|gave the request up/],
    ['carry-garbage', /does not know/],
    ['carry-half', /does not know/],
    ['carry-leaves', /does not answer/],
    ['carry-pieces', /a limit on messages/],
  ])(
    '%s: the request fails with a true error, others do not',
    async (mode, why) => {
      const all = await beside(mode);
      await active(all, 'bad');
      const before = process.memoryUsage.rss();
      const { error } = await ask(all, 'bad/bad', 'x');
      expect(error?.message).toMatch(why);
      await goodServes(all);
      expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 2 ** 20);
    },
    60_000,
  );

  it.each(['carry-strangers'])(
    '%s: its requests are answered all the same',
    async (mode) => {
      const all = await beside(mode);
      await active(all, 'bad');
      const answered = async (): Promise<boolean> => (await ask(all, 'bad/bad', 'x')).text === 'a';
      await until(answered, 'one is answered');
      for (let times = 0; times < 20; times++) expect(await answered()).toBe(true);
      await goodServes(all);
    },
    60_000,
  );

  it('carry-beyond: what is sent without credit ends the call of a slow reader', async () => {
    const all = await beside('carry-beyond');
    await active(all, 'bad');
    const { transport } = all.registry.get('bad')?.active ?? {};
    const request = Buffer.from(GenerateRequest.encode(GenerateRequest.create({ model: 'bad' })).finish());
    const status = await new Promise<{ code: number }>((end) =>
      transport?.invoke('/outrigger.plugin.v1.Inference/Generate', request, undefined, {
        message: () => undefined,
        end,
      }),
    );
    expect(status).toMatchObject({ code: 13, message: 'the plugin sent more than it was granted' });
    await goodServes(all);
  }, 60_000);

  it.each(['endless', 'ignores-cancel', 'carry-silent'])(
    '%s: the caller leaves and gets away',
    async (mode) => {
      const all = await beside(mode);
      await active(all, 'bad');
      const bad = all.registry.get('bad')?.active;
      const caller = new AbortController();
      const answers = Array.from({ length: 5 }, () => ask(all, 'bad/bad', 'x', caller.signal));
      await until(() => bad?.inFlight === 5, 'they run');
      await goodServes(all);
      caller.abort();
      expect((await Promise.all(answers)).map(({ error }) => error?.kind)).toEqual(
        answers.map(() => 'cancelled'),
      );
      await until(() => bad?.inFlight === 0, 'the leases are given back');
    },
    60_000,
  );

  it('endless-reflection: what nobody asked for is not read', async () => {
    const all = await beside('endless-reflection');
    await active(all, 'bad');
    const before = process.memoryUsage.rss();
    await goodServes(all);
    expect((await ask(all, 'bad/bad', 'x')).error).toBeUndefined();
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20);
  }, 60_000);

  it('flood: its output is read, bounded, and nobody waits for it', async () => {
    const all = await beside('flood');
    await active(all, 'bad');
    await goodServes(all);
    const before = process.memoryUsage.rss();
    await until(async () => (await ask(all, 'bad/bad', 'x')).error === undefined, 'it answers');
    await goodServes(all);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20);
  }, 60_000);

  it('deaf: it is killed when it does not go', async () => {
    const all = await beside('deaf');
    await active(all, 'bad');
    await all.admin.drain('bad');
    const ends = all.events.since(0).filter(({ plugin, to }) => plugin === 'bad' && to === 'stopped');
    expect(ends[0]?.message).toMatch(
      /did not shut down within 3000 ms and was told by signal; was ended by SIGKILL/,
    );
  }, 60_000);

  it('cannot make the host run its patterns', async () => {
    const all = await beside('none');
    await active(all, 'bad');
    const parameter = all.registry.get('bad')?.active?.parameters.generate.get('evil');
    expect(parameter?.check(`${'a'.repeat(40)}!`)).toBeUndefined();
    expect(parameter?.check(5)).toMatch(/evil must be string/);
  }, 60_000);
});
