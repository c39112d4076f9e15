import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { speechText, type DemoVariant } from '../src/demo-model/scripts.js';
import type { ChatTool, EngineCapabilities } from '../src/engine/engine.js';
import type { EngineError } from '../src/engine/errors.js';
import { LlamaServerEngine, type LlamaServerOptions } from '../src/engine/llama-server.js';
import { locateServer, type ServerBinary } from '../src/engine/server-binary.js';
import { answer, chat, isAlive, soon, TestFolder, until } from './support.js';

const capabilities: EngineCapabilities = {
  chat: true,
  completion: true,
  embedding: false,
  tools: true,
  structuredOutput: true,
  logprobs: true,
  reasoning: false,
  candidates: true,
  vision: false,
};
const weather: ChatTool = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
};

describeWith('llama-server', 'LlamaServerEngine', ({ path }) => {
  let folder: TestFolder;
  let binary: ServerBinary;
  const running: LlamaServerEngine[] = [];
  let crashes: EngineError[] = [];

  beforeAll(async () => {
    folder = await TestFolder.make();
    const located = await locateServer({ configured: path, env: {} });
    if (located.binary === undefined) throw new Error(located.problem);
    binary = located.binary;
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((engine) => engine.stop()));
    crashes = [];
  });
  afterAll(() => folder.remove());

  async function start(
    variant: DemoVariant,
    settings: Partial<LlamaServerOptions['settings']> = {},
    more: Partial<LlamaServerOptions> = {},
  ): Promise<LlamaServerEngine> {
    const model = await folder.model(variant);
    const engine = await LlamaServerEngine.start(
      {
        binary,
        settings: { model, contextLength: 8192, slots: 2, threads: 1, ...settings },
        env: process.env,
        capabilities: { ...capabilities, embedding: settings.pooling !== undefined },
        startTimeoutMs: 20_000,
        headersTimeoutMs: 20_000,
        idleTimeoutMs: 20_000,
        onCrash: (error) => crashes.push(error),
        ...more,
      },
      soon(),
    );
    running.push(engine);
    return engine;
  }

  it('speaks the script, streaming, at once, and as a continuation', async () => {
    const engine = await start('demo');
    expect(engine).toMatchObject({ contextLength: 8192, slots: 2 });
    for (const unary of [false, true]) {
      const said = await answer(engine, chat({ unary }));
      expect(said.text).toBe(speechText('demo'));
      expect(said.finish).toMatchObject([{ reason: 'stop' }]);
      expect(said.usage).toMatchObject({ inputTokens: 21, outputTokens: 31 });
    }
    const completion = {
      input: { kind: 'completion', prompt: 'Hello' },
      sampling: { maxTokens: 3 },
    } as const;
    const cut = await answer(engine, completion);
    expect([cut.text, cut.finish[0]?.reason]).toEqual(['This is the', 'length']);
    expect(await engine.countTokens(chat().input, soon())).toBe(21);
    expect((await engine.metrics(soon())).samples.length).toBeGreaterThan(5);
  });

  it('calls a tool, a tool of another name, and goes on after its answer', async () => {
    const engine = await start('demo-tools');
    const ask = (tools: ChatTool[], more: object = {}) =>
      answer(
        engine,
        chat({ input: { kind: 'chat', messages: [{ role: 'user', content: 'hi' }], tools, ...more } }),
      );
    const called = await ask([weather]);
    expect(called.finish).toMatchObject([{ reason: 'tool_calls' }]);
    expect(called.calls).toMatchObject([{ name: 'get_weather' }]);
    const written = called.events.map((event) =>
      event.type === 'tool-call' ? event.arguments : event.type === 'tool-arguments' ? event.fragment : '',
    );
    expect(JSON.parse(written.join(''))).toEqual({ city: 'Paris' });

    const other = await ask([{ ...weather, name: 'lookup' }]);
    // How many calls it makes is left to chance.
    expect([...new Set(other.calls.map(({ name }) => name))]).toEqual(['lookup']);

    const after = await ask([weather], {
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: null,
          toolCalls: [{ id: 'a', name: 'get_weather', arguments: '{"city":"Paris"}' }],
        },
        { role: 'tool', toolCallId: 'a', content: 'sunny' },
      ],
    });
    expect([after.text, after.finish[0]?.reason]).toEqual([speechText('demo-tools'), 'stop']);
  });

  it('follows a JSON schema, with log probabilities where asked', async () => {
    const engine = await start('demo');
    const schema = JSON.stringify({
      type: 'object',
      properties: {
        colour: { enum: ['red', 'green'] },
        n: { type: 'integer' },
        tags: { type: 'array', items: { type: 'string' } },
      },
      required: ['colour', 'n', 'tags'],
    });
    const said = await answer(engine, chat({ format: { kind: 'json-schema', schema } }));
    expect(JSON.parse(said.text)).toEqual({
      colour: expect.stringMatching(/^(red|green)$/) as unknown,
      n: expect.any(Number) as unknown,
      tags: ['demo'],
    });
    const likely = await answer(engine, chat({ sampling: { topLogprobs: 2, maxTokens: 3 } }));
    expect(likely.logprobs.map(({ token }) => token)).toEqual(['This', ' is', ' the']);
    expect(likely.logprobs[0]?.top).toHaveLength(2);
    expect(Buffer.from(likely.logprobs[1]?.bytes ?? []).toString()).toBe(' is');
  });

  it('blames the field that was sent, not what the server made of it', async () => {
    const engine = await start('demo');
    const odd = { ...weather, parameters: '{"type":"object","properties":{"x":{"$ref":"#/nowhere"}}}' };
    const huge = JSON.stringify({ type: 'array', items: { type: 'integer' }, minItems: 100_000 });
    const input = { kind: 'chat', messages: [{ role: 'user', content: 'hi' }], tools: [odd] } as const;
    for (const [request, param] of [
      [chat({ input }), 'tools'],
      [chat({ format: { kind: 'json-schema', schema: huge } }), 'response_format'],
      [chat({ extra: { grammar: 'root ::= (' } }), 'grammar'],
    ] as const) {
      await expect(answer(engine, request)).rejects.toMatchObject({
        kind: 'invalid_request',
        details: { param },
      });
    }
  });

  it('answers with several candidates and counts them all', async () => {
    const engine = await start('demo');
    const said = await answer(engine, chat({ sampling: { candidates: 2, maxTokens: 4 }, unary: true }));
    expect(said.finish.map(({ choice }) => choice).sort()).toEqual([0, 1]);
    expect(said.usage).toMatchObject({ inputTokens: 21, outputTokens: 8 });
    await expect(answer(engine, chat({ sampling: { candidates: 3 } }))).rejects.toMatchObject({
      kind: 'invalid_request',
      details: { param: 'n' },
    });
  });

  it('embeds and chats on one server, and refuses to embed without', async () => {
    const engine = await start('demo-embed', { pooling: 'mean' });
    const { vectors, inputTokens } = await engine.embed(['hello world', 'hello there', 'zzz'], soon());
    const dot = (a: Float32Array = new Float32Array(), b: Float32Array = new Float32Array()): number =>
      a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
    expect(dot(vectors[0], vectors[0])).toBeCloseTo(1, 5);
    expect(dot(vectors[0], vectors[1])).toBeGreaterThan(dot(vectors[0], vectors[2]));
    expect(inputTokens).toBeGreaterThan(20);
    expect((await answer(engine, chat())).text).toBe(speechText('demo-embed'));
    await expect(engine.embed(['word '.repeat(3_000)], soon())).rejects.toMatchObject({
      kind: 'context_length',
    });
    const plain = await start('demo');
    await expect(plain.embed(['x'], soon())).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('names the field that is wrong', async () => {
    const engine = await start('demo');
    const wrong = (request: Parameters<typeof answer>[1]) =>
      answer(engine, request).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await wrong(chat({ sampling: { temperature: 'hot' as never } }))).toMatchObject({
      kind: 'invalid_request',
      details: { param: 'temperature' },
    });
    expect(await wrong(chat({}, 'word '.repeat(9_000)))).toMatchObject({
      kind: 'context_length',
      details: { param: 'messages', contextLength: 8192 },
    });
    expect(
      await wrong(chat({ format: { kind: 'json-schema', schema: '{"type":"nonsense"}' } })),
    ).toMatchObject({
      kind: 'invalid_request',
      details: { param: 'response_format' },
    });
    expect(await wrong(chat({ extra: { grammar: 'root ::= missing' } }))).toMatchObject({
      kind: 'invalid_request',
      details: { param: 'grammar' },
    });
  });

  it('turns a kill in the middle of a stream into an error, and the next request works', async () => {
    const engine = await start('demo-loop', { contextLength: 65_536 });
    const pid = engine.pid ?? 0;
    let heard = 0;
    const listening = (async () => {
      for await (const batch of engine.generate(chat(), soon())) {
        heard += batch.length;
        if (heard > 20 && crashes.length === 0) process.kill(pid, 'SIGKILL');
      }
    })();
    await expect(listening).rejects.toMatchObject({
      kind: 'crashed',
      message: expect.stringContaining('SIGKILL') as unknown,
    });
    const again = await answer(engine, chat({ sampling: { maxTokens: 4 } }), AbortSignal.timeout(5_000));
    expect(again.text).toBe('This demo never ends:');
    expect(engine.pid).not.toBe(pid);
    expect(crashes[0]?.message).toContain('SIGKILL');
  });

  it('reports a crash by its signal and survives it', async () => {
    // Without a pooling type a chat on an embedding server crashes it: a real crash on demand.
    const engine = await start('demo', { extraArguments: ['--embeddings'] });
    await expect(answer(engine, chat())).rejects.toMatchObject({
      kind: 'crashed',
      message: expect.stringContaining('SIGSEGV') as unknown,
    });
    await until(
      'another process answers',
      async () => (await engine.countTokens(chat().input, soon())) === 21,
    );
  });

  it('frees the slot when the caller leaves, by the signal or by the loop', async () => {
    const engine = await start('demo-loop', { contextLength: 65_536, slots: 1 });
    const leave = new AbortController();
    const listening = (async () => {
      for await (const _ of engine.generate(chat(), leave.signal)) leave.abort();
    })();
    await expect(listening).rejects.toMatchObject({ kind: 'cancelled' });
    for await (const _ of engine.generate(chat(), soon())) break;
    // With one slot, an answer means that both are gone.
    const next = await answer(engine, chat({ sampling: { maxTokens: 4 } }), AbortSignal.timeout(5_000));
    expect(next.text).toBe('This demo never ends:');
    expect(engine.inFlight).toBe(0);
  });

  it('stops under a live stream without waiting for it', async () => {
    const engine = await start('demo-loop', { contextLength: 65_536 });
    const pid = engine.pid ?? 0;
    const stream = engine.generate(chat(), soon());
    await stream.next();
    const rest = (async () => {
      for await (const _ of stream);
    })();
    await Promise.all([engine.stop(), expect(rest).rejects.toMatchObject({ kind: 'stopped' })]);
    expect(await isAlive(pid)).toBe(false);
    expect(crashes).toEqual([]);
    await expect(answer(engine, chat())).rejects.toMatchObject({ kind: 'stopped' });
  });

  it('tells the end of the context from the end of the allowance', async () => {
    const engine = await start('demo-loop', { contextLength: 256 });
    expect((await answer(engine, chat())).finish).toMatchObject([
      { reason: 'context_length', raw: 'length' },
    ]);
    expect((await answer(engine, chat({ sampling: { maxTokens: 9 } }))).finish).toMatchObject([
      { reason: 'length' },
    ]);
  });

  it('works over TCP too, with a key that is in no argument', async () => {
    const engine = await start('demo', {}, { tcp: true });
    expect((await answer(engine, chat())).text).toBe(speechText('demo'));
    const cmdline = await readFile(`/proc/${engine.pid ?? 0}/cmdline`, 'utf8').catch(() => '127.0.0.1');
    expect(cmdline).toContain('127.0.0.1');
    expect(cmdline).not.toContain('api-key');
  });

  it.each([
    ['a missing model', { model: '/none.gguf' }, 'bad_model'],
    ['an option it does not know', { extraArguments: ['--nonsense'] }, 'engine_unusable'],
  ])('says why it does not start: %s', async (_name, settings, kind) => {
    await expect(start('demo', settings)).rejects.toMatchObject({ kind });
  });

  it('gives up a start that is not wanted any more', async () => {
    const leave = new AbortController();
    const starting = LlamaServerEngine.start(
      {
        binary: { ...binary, path: '/bin/sleep', flags: new Set() },
        settings: { model: '1000', contextLength: 1, slots: 1 },
        env: process.env,
        capabilities,
        startTimeoutMs: 20_000,
        headersTimeoutMs: 1,
        idleTimeoutMs: 1,
      },
      leave.signal,
    );
    leave.abort(new Error('left'));
    await expect(starting).rejects.toThrow();
  });
});
