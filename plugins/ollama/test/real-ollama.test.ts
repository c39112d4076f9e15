import { it, expect, beforeAll, afterAll } from '@jest/globals';
import { ModelState_Phase, Reasoning, Reasoning_Effort, Sampling, Tool } from '@outrigger/proto';
import { collect, startPlugin, type GenerateFields, type TestPlugin } from '@outrigger/sdk-plugin/testing';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { ollamaPlugin } from '../src/adapter.js';
import { RealServer, until } from './real-server.js';

const words = ['Hello', ' from', ' a', ' tiny', ' model', '.'];
const call = [
  '<tool_call>',
  '\n{"name": ',
  '"get_weather", ',
  '"arguments": ',
  '{"city": ',
  '"Paris"',
  '}}',
  '\n</tool_call>',
];

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describeWith('ollama', 'with a real Ollama', (runtime) => {
  let server: RealServer;
  let plugin: TestPlugin;
  const ask = (fields: GenerateFields) => collect(plugin.client.generate(fields, { deadlineMs: 25_000 }));
  const model = async (id: string) =>
    (await plugin.client.listModels()).find((one) => one.id === `${id}:latest`);

  beforeAll(async () => {
    server = await RealServer.start(runtime.path);
    await server.create('tiny', { script: words });
    await server.create('endless', { script: words, endless: true });
    await server.create('caller', { script: call });
    await server.create('vectors', { script: words, embedding: true });
    plugin = await startPlugin(ollamaPlugin({ OLLAMA_HOST: server.url }));
  }, 60_000);
  afterAll(async () => {
    await plugin.close();
    await server[Symbol.asyncDispose]();
  });

  it('lists models with what they can do', async () => {
    expect(await model('tiny')).toMatchObject({
      contextLength: 2048,
      aliases: ['tiny'],
      capabilities: { chat: true, tools: true, embedding: false },
      weights: { format: 'gguf' },
    });
    expect(await model('vectors')).toMatchObject({ capabilities: { chat: false, embedding: true } });
    expect((await plugin.client.info()).runtime).toMatch(/^Ollama \d/);
  });

  it.each([false, true])('chats (in one piece: %s)', async (unary) => {
    const answer = await ask({
      model: 'tiny',
      user: 'hi',
      unary,
      sampling: Sampling.create({ topLogprobs: 1 }),
    });
    expect(answer).toMatchObject({ text: 'Hello from a tiny model.', finish: 'STOP', rawFinish: 'stop' });
    expect(answer.usage?.inputTokens).toBeGreaterThan(5);
    expect(answer.usage?.outputTokens).toBe(7);
    expect(answer.logprobs.map(({ token }) => token).join('')).toContain('Hello from');
  });

  it('completes a prompt without a template, and stops at a limit and at a word', async () => {
    expect(await ask({ model: 'tiny', prompt: 'x' })).toMatchObject({
      text: 'Hello from a tiny model.',
      finish: 'STOP',
    });
    const few = await ask({ model: 'tiny', prompt: 'x', sampling: Sampling.create({ maxOutputTokens: 2 }) });
    expect(few).toMatchObject({ text: 'Hello from', finish: 'LENGTH' });
    expect(
      await ask({ model: 'tiny', prompt: 'x', sampling: Sampling.create({ stop: [' tiny'] }) }),
    ).toMatchObject({ text: 'Hello from a', finish: 'STOP' });
  });

  it.each([false, true])('calls tools (in one piece: %s)', async (unary) => {
    const parametersJson = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}';
    const answer = await ask({
      model: 'caller',
      user: 'hi',
      unary,
      tools: [Tool.create({ name: 'get_weather', parametersJson })],
    });
    expect(answer.finish).toBe('TOOL_CALLS');
    expect(answer.toolCalls).toMatchObject([{ name: 'get_weather', argumentsJson: '{"city":"Paris"}' }]);
  });

  it('follows a schema', async () => {
    const schemaJson =
      '{"type":"object","properties":{"zeta":{"enum":["a"]},"alpha":{"type":"boolean"}},"required":["zeta","alpha"]}';
    const outputFormat = { kind: { $case: 'jsonSchema' as const, value: { name: 's', schemaJson } } };
    const wanted = { zeta: 'a', alpha: expect.any(Boolean) as unknown };
    // Ollama itself sorts the properties in a chat; in a completion they stay as they were sent.
    expect(JSON.parse((await ask({ model: 'tiny', user: 'hi', outputFormat })).text)).toEqual(wanted);
    const { text } = await ask({ model: 'tiny', prompt: 'hi', outputFormat });
    expect(JSON.parse(text)).toEqual(wanted);
    expect(text.indexOf('zeta')).toBeLessThan(text.indexOf('alpha'));
  });

  it('embeds', async () => {
    const { embeddings } = await plugin.client.embed(
      { model: 'vectors', inputs: ['a', 'b'], dimensions: 8 },
      { deadlineMs: 25_000 },
    );
    expect(embeddings.map(({ data }) => data.length)).toEqual([32, 32]);
    await expect(
      plugin.client.embed({ model: 'vectors', inputs: ['a '.repeat(3000)] }),
    ).rejects.toMatchObject({ reason: 'CONTEXT_LENGTH_EXCEEDED' });
    await expect(plugin.client.embed({ model: 'tiny', inputs: ['a'] })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_OPERATION',
    });
  });

  it.each([false, true])(
    'refuses what does not fit instead of cutting it (in one piece: %s)',
    async (unary) => {
      const user = 'a b c '.repeat(900);
      await expect(ask({ model: 'tiny', user, unary })).rejects.toMatchObject({
        reason: 'CONTEXT_LENGTH_EXCEEDED',
      });
      await expect(ask({ model: 'tiny', prompt: user, unary })).rejects.toMatchObject({
        reason: 'CONTEXT_LENGTH_EXCEEDED',
      });
    },
  );

  it('ends an answer when the context is full, and says so', async () => {
    const answer = await ask({
      model: 'endless',
      user: 'hi',
      extensions: { num_ctx: '512' },
      sampling: Sampling.create({ maxOutputTokens: 3000 }),
    });
    expect(answer).toMatchObject({ finish: 'CONTEXT_LENGTH', rawFinish: 'length' });
    expect(answer.usage?.outputTokens).toBeLessThan(512);
  });

  it('knows the reasons of real errors', async () => {
    await expect(ask({ model: 'absent', user: 'x' })).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
    await expect(ask({ model: 'vectors', user: 'x' })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_OPERATION',
    });
    await expect(ask({ model: 'tiny', prompt: 'x', suffix: 'y' })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_PARAMETER',
    });
    await expect(ask({ model: 'tiny', user: 'x', extensions: { think: 'true' } })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_PARAMETER',
    });
    const warned = await ask({
      model: 'tiny',
      user: 'x',
      reasoning: Reasoning.create({ effort: Reasoning_Effort.EFFORT_HIGH }),
    });
    expect(warned.warnings).toMatchObject([{ field: 'reasoning_effort' }]);
    await expect(all(plugin.client.pullModel('127.0.0.1:1/no/model'))).rejects.toMatchObject({
      reason: 'UPSTREAM_UNAVAILABLE',
    });
    await expect(all(plugin.client.pullModel('no such name!'))).rejects.toMatchObject({
      reason: 'INVALID_REQUEST',
    });
  });

  it('loads with a context of its own, keeps it, unloads', async () => {
    const { client } = plugin;
    const steps = await all(client.loadModel({ model: 'tiny', contextLength: 512 }, { deadlineMs: 25_000 }));
    expect(steps.at(-1)?.state?.phase).toBe(ModelState_Phase.PHASE_READY);
    expect(await model('tiny')).toMatchObject({
      contextLength: 2048,
      contextLengthLoaded: 512,
      state: { phase: ModelState_Phase.PHASE_READY },
    });
    await ask({ model: 'tiny', user: 'hi' });
    expect((await model('tiny'))?.contextLengthLoaded).toBe(512);
    await client.unloadModel('tiny');
    await until(
      'the model is unloaded',
      async () => (await model('tiny'))?.state?.phase === ModelState_Phase.PHASE_UNLOADED,
    );
    expect(
      (await all(client.loadModel({ model: 'vectors' }, { deadlineMs: 25_000 }))).at(-1)?.state?.phase,
    ).toBe(ModelState_Phase.PHASE_READY);
  });

  it('deletes', async () => {
    await server.create('gone', { script: words });
    expect(await model('gone')).toBeDefined();
    await plugin.client.deleteModel('gone');
    expect(await model('gone')).toBeUndefined();
    await expect(plugin.client.deleteModel('gone')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
  });

  it('makes the runner stop when the caller leaves', async () => {
    const controller = new AbortController();
    const extensions = { shift: 'true' };
    const stream = plugin.client.generate(
      { model: 'endless', user: 'hi', extensions },
      { signal: controller.signal, deadlineMs: 25_000 },
    );
    for (let count = 0; count < 20; count += 1) await stream.next();
    controller.abort();
    await stream.next().catch(() => undefined);
    // An idle runner uses no CPU: two looks in a row see the same ticks.
    let before = -1;
    await until(
      'the runners rest',
      async () => {
        const now = await server.runnerTicks();
        const rests = now === before;
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return rests;
      },
      3_000,
    );
    expect((await plugin.client.metrics()).inFlight).toBe(0);
  });

  it('survives a runner that is killed in the middle: an error, no finish, and the next request works', async () => {
    for (const { id } of await plugin.client.listModels()) await plugin.client.unloadModel(id);
    await until('all runners are gone', async () => (await server.runners()).length === 0);
    const stream = plugin.client.generate(
      { model: 'endless', user: 'hi', extensions: { shift: 'true' } },
      { deadlineMs: 25_000 },
    );
    const kinds: (string | undefined)[] = [];
    const failure = (async () => {
      for await (const { event } of stream) {
        kinds.push(event?.$case);
        if (kinds.length === 20) for (const pid of await server.runners()) process.kill(pid, 'SIGKILL');
      }
    })();
    await expect(failure).rejects.toMatchObject({ reason: 'UPSTREAM_ERROR' });
    expect(kinds).not.toContain('finish');
    expect(kinds).not.toContain('end');
    expect((await ask({ model: 'tiny', user: 'hi' })).text).toBe('Hello from a tiny model.');
  });
});
