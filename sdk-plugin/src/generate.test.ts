/* eslint-disable @typescript-eslint/require-await -- a handler that is ready at once is an async generator all the same */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Progress_Stage, type GenerateEvent } from '@outrigger/proto';
import {
  definePlugin,
  finish,
  head,
  progress,
  text,
  usage,
  warning,
  type PluginDefinition,
} from './index.js';
import { collect, gate, startPlugin, type TestPlugin } from './testing.js';

type Generate = NonNullable<PluginDefinition['generate']>;

let plugin: TestPlugin | undefined;
afterEach(async () => plugin?.close());

async function start(generate: Generate): Promise<TestPlugin> {
  plugin = await startPlugin(definePlugin({ name: 'subject', version: '1.0.0', generate }));
  return plugin;
}

/** Waits until a condition holds; fails after a deadline. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const kinds = (events: readonly GenerateEvent[]): (string | undefined)[] =>
  events.map((event) => event.event?.$case);

describe('the frames of an answer', () => {
  it('begin with a head and end with an end', async () => {
    const { client } = await start(async function* () {
      yield text('hello');
      yield finish('stop');
      yield usage({ outputTokens: 1 });
    });
    const answer = await collect(client.generate({ user: 'hi' }));
    expect(kinds(answer.events)).toEqual(['head', 'delta', 'finish', 'usage', 'end']);
    expect(answer).toMatchObject({ text: 'hello', finish: 'STOP', rawFinish: 'stop' });
  });

  it('keep the head of the plugin', async () => {
    const { client } = await start(async function* () {
      yield head({ responseId: 'r1', model: 'served' });
      yield finish('stop');
    });
    const answer = await collect(client.generate({ user: 'hi' }));
    expect(answer.head).toMatchObject({ responseId: 'r1', model: 'served' });
    expect(kinds(answer.events)).toEqual(['head', 'finish', 'end']);
  });

  it('tell progress before the head', async () => {
    const loaded = gate();
    const { client } = await start(async function* () {
      yield progress(Progress_Stage.STAGE_LOADING, 0.5);
      await loaded.opened;
      yield [head({ model: 'served' }), text('a'), finish('stop')];
    });
    const stream = client.generate({ user: 'hi' });
    expect((await stream.next()).value?.event?.$case).toBe('progress');
    loaded.open();
    const rest: GenerateEvent[] = [];
    for await (const event of stream) rest.push(event);
    expect(kinds(rest)).toEqual(['head', 'delta', 'finish', 'end']);
  });

  it('gather what is ready in one turn, and nothing waits for what comes later', async () => {
    const later = gate();
    const { client } = await start(async function* () {
      for (let i = 0; i < 64; i += 1) yield text(`${i} `);
      await later.opened;
      yield [text('last'), finish('stop')];
    });
    const frames = client.frames({ user: 'hi' });
    const first = await frames.next();
    expect(first.value?.events).toHaveLength(65);
    later.open();
    const second = await frames.next();
    expect(second.value?.seq).toBe(1);
    expect(kinds(second.value?.events ?? [])).toEqual(['delta', 'finish', 'end']);
  });

  it('are split where one would grow too large', async () => {
    const { client } = await start(async function* () {
      yield [...Array.from({ length: 1_000 }, (_, i) => text(`${i};`)), finish('stop')];
    });
    const sizes: number[] = [];
    for await (const frame of client.frames({ user: 'hi' })) sizes.push(frame.events.length);
    expect(Math.max(...sizes)).toBe(256);
    expect(sizes.reduce((a, b) => a + b)).toBe(1_003);
  });

  it('allow several candidates, each with its finish', async () => {
    const { client } = await start(async function* () {
      yield text('a', { candidate: 0 });
      yield text('b', { candidate: 1 });
      yield finish('stop', { candidate: 0 });
      yield text('c', { candidate: 1 });
      yield finish('length', { candidate: 1 });
    });
    const answer = await collect(client.generate({ user: 'hi' }));
    expect(answer.candidates).toEqual(['a', 'bc']);
  });
});

describe('a generator that breaks the grammar', () => {
  const broken: Record<string, () => AsyncGenerator<GenerateEvent>> = {
    'returns without a finish': async function* () {
      yield text('half');
    },
    'forgets the finish of one candidate': async function* () {
      yield text('a', { candidate: 1 });
      yield finish('stop', { candidate: 0 });
    },
    'goes on after its finish': async function* () {
      yield finish('stop');
      yield text('more');
    },
    'finishes twice': async function* () {
      yield finish('stop');
      yield finish('length');
    },
    'puts the head late': async function* () {
      yield text('a');
      yield head({});
      yield finish('stop');
    },
    'yields the end itself': async function* () {
      yield finish('stop');
      yield { event: { $case: 'end', value: {} } };
    },
  };
  it.each(Object.entries(broken))('%s: the caller gets INTERNAL and no end', async (_, generate) => {
    const { client, log } = await start(generate);
    const seen: GenerateEvent[] = [];
    const read = async (): Promise<void> => {
      for await (const event of client.generate({ user: 'hi' })) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' });
    expect(kinds(seen)).not.toContain('end');
    expect(log.lines.some((line) => line.level === 'error')).toBe(true);
  });

  it('may still send usage and warnings after the finish', async () => {
    const { client } = await start(async function* () {
      yield text('a');
      yield finish('stop');
      yield usage({ inputTokens: 3 });
      yield warning('context_truncated', '', 'cut');
    });
    const answer = await collect(client.generate({ user: 'hi' }));
    expect(answer.usage?.inputTokens).toBe(3);
    expect(answer.warnings).toHaveLength(1);
  });
});

describe('an error of a generator', () => {
  it('comes after what was ready before it', async () => {
    const { client } = await start(async function* () {
      yield text('before');
      throw new Error('secret /etc/passwd');
    });
    const seen: GenerateEvent[] = [];
    const read = async (): Promise<void> => {
      for await (const event of client.generate({ user: 'hi' })) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' });
    expect(kinds(seen)).toEqual(['head', 'delta']);
  });

  it('is INTERNAL without its text, also when the handler throws at once', async () => {
    const { client, log } = await start(() => {
      throw new Error('secret /etc/passwd');
    });
    const failed = collect(client.generate({ user: 'hi' }));
    await expect(failed).rejects.toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' });
    await expect(failed).rejects.not.toThrow(/secret/);
    expect(JSON.stringify(log.lines)).toContain('secret');
  });
});

describe('a caller that leaves', () => {
  it('aborts the signal, ends the generator and frees its slot', async () => {
    const observed = { aborted: false, cleaned: false };
    const running = await start(async function* (_request, { signal }) {
      try {
        yield text('first');
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        );
        observed.aborted = true;
        yield text('nobody reads this');
      } finally {
        observed.cleaned = true;
      }
    });
    for await (const _event of running.client.generate({ user: 'hi' })) break;
    await until(() => observed.cleaned);
    expect(observed.aborted).toBe(true);
    const drained = [];
    for await (const report of running.client.drain()) drained.push(report.inFlight);
    expect(drained.at(-1)).toBe(0);
    expect(running.log.lines.filter((line) => line.level === 'error')).toEqual([]);
  });

  it('before the first event aborts as well', async () => {
    const arrived = gate();
    const observed = { reason: '' };
    const running = await start(async function* (_request, { signal }) {
      arrived.open();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      observed.reason = (signal.reason as Error).name;
      yield finish('stop');
    });
    const controller = new AbortController();
    const answer = collect(running.client.generate({ user: 'hi' }, { signal: controller.signal }));
    await arrived.opened;
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    await until(() => observed.reason !== '');
    expect(observed.reason).toBe('AbortError');
  });

  it('is heard by callbacks, and by whoever asks late', async () => {
    const arrived = gate();
    let heard: { early: Error; late: Error | undefined; signal: AbortSignal } | undefined;
    const running = await start(async function* (_request, context) {
      arrived.open();
      const early = await new Promise<Error>((resolve) => context.onAbort(resolve));
      let late: Error | undefined;
      context.onAbort((reason) => (late = reason));
      heard = { early, late, signal: context.signal };
      yield finish('stop');
    });
    const controller = new AbortController();
    const answer = collect(running.client.generate({ user: 'hi' }, { signal: controller.signal }));
    await arrived.opened;
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    await until(() => heard !== undefined);
    expect(heard?.early.name).toBe('AbortError');
    expect(heard?.late).toBe(heard?.early);
    expect(heard?.signal.aborted).toBe(true);
    expect(heard?.signal.reason).toBe(heard?.early);
  });

  it('stops a generator that never waits', async () => {
    let yielded = 0;
    let cleaned = false;
    const running = await start(async function* () {
      try {
        for (;;) {
          yielded += 1;
          yield text('x');
        }
      } finally {
        cleaned = true;
      }
    });
    for await (const _event of running.client.generate({ user: 'hi' })) break;
    await until(() => cleaned);
    expect(yielded).toBeGreaterThan(0);
  });

  it('is told apart from a deadline', async () => {
    const observed = { reason: '' };
    const running = await start(async function* (_request, { signal, deadline }) {
      expect(deadline).toBeGreaterThan(Date.now() - 1_000);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      observed.reason = (signal.reason as Error).name;
      yield finish('stop');
    });
    const answer = collect(running.client.generate({ user: 'hi' }, { deadlineMs: 50 }));
    await expect(answer).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await until(() => observed.reason !== '');
    expect(observed.reason).toBe('TimeoutError');
    expect(running.log.lines.filter((line) => line.level === 'error')).toEqual([]);
  });

  it('does not abort the signal when the answer is whole', async () => {
    let signal: AbortSignal | undefined;
    const { client } = await start(async function* (_request, context) {
      ({ signal } = context);
      yield finish('stop');
    });
    await collect(client.generate({ user: 'hi' }));
    await client.info();
    expect(signal?.aborted).toBe(false);
  });
});

describe('a caller that does not read', () => {
  it('stops the generator after a bounded number of events, and reading sets it going again', async () => {
    let yielded = 0;
    const total = 4_000;
    const piece = 'x'.repeat(10_000);
    const running = await start(async function* () {
      for (; yielded < total; yielded += 1) {
        yield text(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      yield finish('stop');
    });
    const frames = running.client.frames({ user: 'hi' });
    await frames.next();
    // The channel keeps answering while the stream is blocked: bounded turns instead of a clock.
    let before = -1;
    for (let quiet = 0; quiet < 20;) {
      quiet = yielded === before ? quiet + 1 : 0;
      before = yielded;
      await running.client.info();
    }
    expect(yielded).toBeLessThan(total / 2);
    let events = 1;
    for await (const frame of frames) events += frame.events.length;
    expect(yielded).toBe(total);
    expect(events).toBeGreaterThanOrEqual(total);
  });
});
