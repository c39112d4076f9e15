import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { FinishReason, ModelState_Phase } from '@outrigger/proto';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { MlserverProcess } from './support/mlserver-process.js';
import { Plugged, fold, vectorsOf } from './support/plugged.js';
import { until } from './support/until.js';

const { PHASE_FAILED, PHASE_READY } = ModelState_Phase;

describeWith('mlserver', 'the real MLServer', ({ path }) => {
  let server: MlserverProcess;
  let plugin: Plugged;
  // It does not describe the tensors of `text`; what is declared counts.
  const models = { text: { shape: 'text' } };

  beforeAll(async () => {
    server = new MlserverProcess(path);
    await server.start();
    plugin = await Plugged.to({ endpoints: [{ url: server.url }], models });
    for (const model of ['llm', 'text', 'embed']) expect(await plugin.load(model)).toContain(PHASE_READY);
  }, 90_000);
  afterAll(async () => {
    await plugin[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  }, 30_000);

  it('is told apart by its name', () => {
    expect(plugin.definition.runtime?.()).toMatch(/^mlserver 1\./);
  });

  it('lists its models with their states', async () => {
    const listed = await plugin.models();
    expect([...listed.keys()].sort()).toEqual(['broken', 'embed', 'llm', 'text']);
    expect(listed.get('llm')).toMatchObject({ state: { phase: PHASE_READY }, capabilities: { chat: true } });
    expect(listed.get('embed')).toMatchObject({ capabilities: { embedding: true }, embeddingDimensions: 8 });
    expect(listed.get('text')).toMatchObject({ capabilities: { chat: true } });
  });

  it('streams, and no answer is taken for an error', async () => {
    const answer = await plugin.complete('llm', 'one two', { sampling: { maxOutputTokens: 5 } });
    expect(answer.text).toBe('one two one two one ');
    expect(answer.pieces).toBe(5);
    expect(answer.finish?.reason).toBe(FinishReason.FINISH_REASON_UNSPECIFIED);
    expect(answer.usage).toMatchObject({ outputTokens: 5, estimated: true });
  });

  it('answers with ordinary models', async () => {
    expect((await plugin.complete('text', 'hello')).text).toBe('You said: hello');
    expect((await plugin.chat('text', 'hello')).text).toBe('You said: User: hello\n\nAssistant:');
  });

  it('embeds', async () => {
    expect(vectorsOf(await plugin.embed('embed', ['aab', 'h', 'x']))).toEqual([
      [2, 1, 0, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 1],
      [0, 0, 0, 0, 0, 0, 0, 0],
    ]);
  });

  it('fails in the middle of a stream with the error, never as if it were complete', async () => {
    let text = '';
    const failing = fold(plugin.start({ model: 'llm', prompt: 'a b FAIL' }), (_, soFar) => (text = soFar));
    await expect(failing).rejects.toMatchObject({
      name: 'PluginError',
      message: expect.stringContaining('the model failed'),
    });
    expect(text).toBe('a b ');
    await expect(plugin.complete('text', 'refuse')).rejects.toMatchObject({
      reason: 'CONTEXT_LENGTH_EXCEEDED',
    });
  });

  it('keeps paths to itself', async () => {
    const error = (await plugin.complete('text', 'raise').catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ reason: 'UPSTREAM_ERROR' });
    expect(error.message).not.toMatch(/\/srv/);
  });

  it('says why a model cannot be used', async () => {
    await expect(plugin.complete('nobody', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
    await expect(plugin.load('nobody')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
    const error = (await plugin.load('broken').catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ reason: 'MODEL_BROKEN' });
    expect(error.message).not.toMatch(/\/srv/);
    expect((await plugin.models()).get('broken')?.state?.phase).toBe(PHASE_FAILED);
  });

  it('unloads and loads again', async () => {
    await plugin.unload('text');
    await expect(plugin.complete('text', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_LOADED' });
    expect(await plugin.load('text')).toContain(PHASE_READY);
    expect((await plugin.complete('text', 'x')).text).toBe('You said: x');
  });

  it('sees the cancel in the model', async () => {
    const leave = new AbortController();
    const ask = { model: 'llm', prompt: 'slowly tick', sampling: { maxOutputTokens: 100_000 } };
    const stream = fold(plugin.start(ask, leave.signal), (_, soFar) => {
      if (soFar.length > 40) leave.abort();
    });
    await expect(stream).rejects.toBeDefined();
    await until(async () => ((await plugin.complete('llm', 'cancelled?')).text === '1' ? true : undefined), {
      what: 'the cancel in the model',
    });
  });

  it('works in plain KServe v2 as well: one answer per request, typed tensors, models by name', async () => {
    await using plain = await Plugged.to({
      endpoints: [{ url: server.url, dialect: 'kserve' }],
      models: { ...models, llm: {} },
    });
    expect([...(await plain.models()).keys()].sort()).toEqual(['llm', 'text']);
    expect((await plain.complete('text', 'hello')).text).toBe('You said: hello');
    const unary = await plain.complete('llm', 'one two');
    expect(unary).toMatchObject({ text: 'You said: one two', pieces: 1 });
    expect(vectorsOf(await plain.embed('embed', ['b']))).toEqual([[0, 1, 0, 0, 0, 0, 0, 0]]);
    await expect(plain.complete('nobody', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
  });
});
