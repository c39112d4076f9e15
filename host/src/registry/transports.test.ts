import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EmbedResponse,
  Embedding,
  GenerateRequest,
  InferenceDefinition,
  LifecycleDefinition,
  methodsOf,
} from '@outrigger/proto';
import { PluginError, definePlugin, finish, text } from '@outrigger/sdk-plugin';
import { gate, startPlugin, type Gate, type TestPlugin } from '@outrigger/sdk-plugin/testing';
import { openTransport } from './open-transport.js';
import { PluginClient } from './plugin-client.js';
import { pluginFailure } from './plugin-failure.js';
import { KeptSink } from './testing/scripted-transport.js';
import type { PluginTransport } from './transport.js';

const { generate, embed } = methodsOf(InferenceDefinition);
const { drain } = methodsOf(LifecycleDefinition);

// One real plugin, both ways to it: what a caller sees is the same.
describe.each([
  ['calls of their own', false],
  ['one shared stream', true],
])('a plugin over %s', (_, carried) => {
  let plugin: TestPlugin;
  let transport: PluginTransport;
  let door: Gate;
  let running = 0;
  let made = 0;

  beforeEach(async () => {
    door = gate();
    running = 0;
    made = 0;
    plugin = await startPlugin(
      definePlugin({
        name: 'subject',
        version: '1',
        async *generate({ prompt = '' }, { signal }) {
          running += 1;
          try {
            if (prompt === 'refuse') throw new PluginError('MODEL_NOT_FOUND', 'no such model');
            const [count, size] = prompt.split(' ').map(Number);
            for (let index = 0; index < (count ?? 0); index++) {
              made += 1;
              yield text('x'.repeat(size ?? 0));
              await new Promise((resolve) => setImmediate(resolve));
            }
            if (prompt.endsWith('wait')) {
              const left = new Promise((resolve) => signal.addEventListener('abort', resolve));
              if (!signal.aborted) await Promise.race([door.opened, left]);
            }
            if (prompt.endsWith('fail')) throw new PluginError('UPSTREAM_ERROR', 'it broke');
            yield finish('stop');
          } finally {
            running -= 1;
          }
        },
        embed: ({ inputs }) => {
          const values = inputs.map(() => Embedding.create({}));
          return Promise.resolve(EmbedResponse.create({ embeddings: values }));
        },
      }),
    );
    transport = openTransport({ address: plugin.address.replace('unix://', 'unix:') });
    await transport.connect(AbortSignal.timeout(10_000));
    if (carried) transport.multiplex();
  });
  afterEach(async () => {
    door.open();
    transport.close();
    await plugin.close();
  });

  function ask(prompt: string, reads = true, deadline?: number) {
    const sink = new KeptSink();
    const request = generate.request.encode(GenerateRequest.create({ prompt }));
    const call = transport.invoke(generate.path, request, deadline, sink);
    const ended = new Promise<KeptSink>((resolve) => (sink.onEnd = () => resolve(sink)));
    if (reads) {
      sink.onMessage = () => call.read();
      call.read();
    }
    return { sink, call, ended };
  }

  /** Resolves when the condition holds, which no message tells. */
  async function come(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** What was said, in how many frames however. */
  function said({ messages }: KeptSink): string {
    const frames = messages.map((bytes) => generate.response.decode(bytes));
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_frame, index) => index));
    return frames
      .flatMap(({ events }) => events)
      .map(({ event }) => {
        const kind = event?.$case === 'delta' ? event.value.kind : undefined;
        return kind?.$case === 'text' ? kind.value : `<${event?.$case}>`;
      })
      .join('');
  }

  it('answers whole, in order', async () => {
    const sink = await ask('100 1000').ended;
    expect(said(sink)).toBe(`<head>${'x'.repeat(100_000)}<finish><end>`);
    expect(sink.ends).toEqual([{ code: 0, message: '', details: undefined }]);
  });

  it('answers many at once', async () => {
    const all = await Promise.all(Array.from({ length: 200 }, () => ask('5 100').ended));
    expect(new Set(all.map(said))).toEqual(new Set([`<head>${'x'.repeat(500)}<finish><end>`]));
  });

  it('answers with messages of several MiB', async () => {
    expect(said(await ask('3 5000000').ended)).toHaveLength(15_000_000 + '<head><finish><end>'.length);
  });

  it.each([
    ['refuse', 'model_not_found', '<'],
    ['2 10 fail', 'upstream_error', '<head>xxxxxxxxxxxxxxxxxxxx'],
  ])('fails with its reason: %s', async (prompt, kind) => {
    const { ends } = await ask(prompt).ended;
    const [status = { code: 0, message: '', details: undefined }] = ends;
    expect(pluginFailure(status, 'subject').kind).toBe(kind);
  });

  it('is not asked for more than its reader takes', async () => {
    const { call, ended } = ask('100000 1000', false);
    call.read();
    await come(() => made > 50);
    let before = -1;
    // It stops by itself when nothing is read.
    while (before !== made) {
      before = made;
      for (let index = 0; index < 50; index++) await embedOnce();
    }
    expect(made).toBeLessThan(1000);
    call.cancel();
    await ended;
    await come(() => running === 0);
  });

  it('hears that its caller left', async () => {
    const { call, ended } = ask('1 1 wait');
    await come(() => running === 1);
    call.cancel();
    await ended;
    await come(() => running === 0);
    expect((await ended).ends).toMatchObject([{ code: 1 }]);
  });

  it('is given up at the deadline', async () => {
    const { ended } = ask('1 1 wait', true, Date.now() + 50);
    expect((await ended).ends).toMatchObject([{ code: 4 }]);
    await come(() => running === 0);
  });

  it('refuses what comes while it drains, and ends what runs', async () => {
    const { ended } = ask('1 1 wait');
    await come(() => running === 1);
    const counts: number[] = [];
    const client = new PluginClient('subject', transport);
    for await (const { inFlight } of client.stream(drain, { reason: 'test' }, {})) {
      counts.push(inFlight);
      if (inFlight === 0) break;
      const [status = { code: 0, message: '', details: undefined }] = (await ask('1 1').ended).ends;
      expect(pluginFailure(status, 'subject')).toMatchObject({
        kind: 'plugin_unavailable',
        notStarted: true,
      });
      door.open();
    }
    expect(counts).toEqual([1, 0]);
    expect((await ended).code).toBe(0);
  });

  it.each<[string, () => void | Promise<void>]>([
    ['the plugin stops', () => plugin.close()],
    ['the host cuts it', () => void transport.cut('time is over')],
    ['the host closes it', () => transport.close()],
  ])('loses its calls with a reason when %s', async (_why, end) => {
    const calls = Array.from({ length: 10 }, () => ask('1 1 wait'));
    await come(() => running === 10);
    await end();
    for (const { ended } of calls) {
      const [status = { code: 0, message: '', details: undefined }] = (await ended).ends;
      expect(pluginFailure(status, 'subject').kind).toBe('plugin_unavailable');
    }
    await come(() => running === 0);
  });

  async function embedOnce(): Promise<void> {
    const client = new PluginClient('subject', transport);
    await client
      .unary(embed, embed.request.decode(Buffer.alloc(0)), { timeoutMs: 5000 })
      .catch(() => undefined);
  }
});
