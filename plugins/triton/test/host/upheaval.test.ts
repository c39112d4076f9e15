import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { until } from '../../../../scripts/testing/host-process.mjs';
import { describeWith } from '../../../../scripts/testing/with-runtime.mjs';
import { openai } from '../../../../scripts/testing/door-answers.js';
import { Gateway, say } from './gateway.js';
import { LiveStream, streamDoors, type StreamDoor } from './live-stream.js';

/** A stream of so many tokens, about a hundred a second. */
const ticks = (count: number) => say('tick', { max_tokens: count, sampling_parameters: { delay: 0.01 } });

describeWith('tritonserver', 'Triton behind a host, in motion', ({ path }) => {
  let gateway: Gateway;
  let streams: LiveStream[] = [];

  beforeAll(async () => {
    gateway = await Gateway.start(path, ['llm', 'text', 'embed']);
  }, 90_000);
  afterEach(() => {
    for (const stream of streams) stream.leave();
    streams = [];
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
  }, 30_000);

  /** Begins streams and waits until each has said something. */
  async function begin(count: number, tokens: number, doors: readonly StreamDoor[] = streamDoors) {
    const begun = Array.from(
      { length: count },
      (_, at) => new LiveStream(gateway, doors[at % doors.length] ?? 'openai', ticks(tokens)),
    );
    streams.push(...begun);
    await until(() => begun.every((stream) => stream.pieces > 1), 'every stream to speak');
    return begun;
  }

  it('a client that leaves stops the model, at every door', async () => {
    const before = await gateway.report();
    const begun = await begin(3, 5_000);
    expect((await gateway.report()).live).toBe(3);
    for (const stream of begun) stream.leave();
    await until(async () => (await gateway.report()).live === 0, 'the model to stop');
    const after = await gateway.report();
    expect(after.cancelled - before.cancelled).toBe(3);
    expect(after.finished - before.finished).toBe(0);
  });

  it('models are loaded and unloaded while streams run', async () => {
    const begun = await begin(6, 600);
    expect(await gateway.load('trt')).toEqual({ status: 200, body: { state: { phase: 'ready' } } });
    expect((await openai(gateway.host, say('hi', { model: 'trt', max_tokens: 2 }))).text).toContain('hi');
    expect(await gateway.unload('trt')).toMatchObject({ status: 200, body: { unloaded: true } });
    // And the very model that speaks: what it has begun it ends.
    expect((await gateway.unload('llm')).status).toBe(200);
    expect(begun.every((stream) => stream.text.length < 5 * 600)).toBe(true);
    expect(await openai(gateway.host, say('x'))).toEqual({ error: 'model_unavailable' });
    for (const stream of begun) {
      expect(await stream.ended).toMatchObject({
        text: 'tick '.repeat(600),
        finish: 'length',
        complete: true,
      });
    }
    await gateway.listed('trt', 'unloaded');
    await gateway.listed('llm', 'unloaded');
    expect((await gateway.load('llm')).status).toBe(200);
    expect((await openai(gateway.host, say('x', { max_tokens: 1 }))).text).toBe('x ');
  });

  it('a model that cannot be loaded says why, and not where', async () => {
    const { status, body } = await gateway.load('broken');
    expect([status, body['kind']]).toEqual([503, 'model_unavailable']);
    expect(body['detail']).toContain('weights missing');
    const listed = await gateway.listed('broken', 'failed');
    expect(listed['state'].reason).toContain('weights missing');
    const asked = await gateway.post('/v1/chat/completions', say('x', { model: 'triton/broken' }));
    expect([asked.status, asked.body['error'].code]).toEqual([503, 'model_unavailable']);
    for (const said of [body, listed, asked.body]) {
      expect(JSON.stringify(said)).not.toMatch(/\/tmp|model\.py|Traceback|File \\"/);
    }
    const unknown = await gateway.load('nobody');
    expect([unknown.status, unknown.body['kind']]).toEqual([404, 'model_not_found']);
  });

  it('while a model is slow to load others answer, and requests for it are told to come again', async () => {
    const go = join(gateway.triton.repository, 'slow', 'go');
    rmSync(go, { force: true });
    const loading = gateway.load('slow');
    try {
      await gateway.listed('slow', 'loading');
      const asked = await gateway.host.post('/mcp/v1/chat', say('x', { model: 'triton/slow' }));
      expect(asked.status).toBe(503);
      expect(asked.headers.get('retry-after')).toBe('1');
      expect(await asked.json()).toMatchObject({ kind: 'model_loading', retryable: true });
      expect((await openai(gateway.host, say('x', { max_tokens: 1 }))).text).toBe('x ');
    } finally {
      writeFileSync(go, '');
    }
    expect(await loading).toEqual({ status: 200, body: { state: { phase: 'ready' } } });
    expect((await openai(gateway.host, say('x', { model: 'triton/slow' }))).text).toBe('slow');
  });

  it.each(streamDoors)(
    'a model whose process dies fails its stream at %s, and a load heals it',
    async (door) => {
      const dying = say('tick', { max_tokens: 50, sampling_parameters: { crash_at: 6, delay: 0.02 } });
      const ending = await new LiveStream(gateway, door, dying).ended;
      expect(ending).toMatchObject({ error: 'model_unavailable', finish: undefined, complete: false });
      expect(ending.text).toBe('tick '.repeat(6));
      expect(ending.detail).not.toMatch(/\/tmp|model\.py|Traceback/);
      await gateway.listed('llm', 'failed');
      expect((await openai(gateway.host, say('x', { model: 'text' }))).text).toBe('You said: x ');
      expect(await gateway.load('llm')).toEqual({ status: 200, body: { state: { phase: 'ready' } } });
      expect((await openai(gateway.host, say('x', { max_tokens: 1 }))).text).toBe('x ');
    },
  );

  it('the plugin is swapped under streams without a gap', async () => {
    const before = await gateway.get('/mcp/v1/plugins/triton');
    const begun = await begin(12, 800);
    const swapped = await gateway.post('/mcp/v1/plugins/triton/swap', {});
    expect(swapped.status).toBe(200);
    // The old instance is still speaking when the new one serves.
    const straddling = begun.filter((stream) => stream.text.length < 5 * 800).length;
    expect(straddling).toBe(12);
    const more = await begin(3, 20);
    for (const stream of begun) {
      expect(await stream.ended).toEqual({
        text: 'tick '.repeat(800),
        finish: 'length',
        error: undefined,
        detail: '',
        complete: true,
      });
    }
    for (const stream of more) expect(await stream.ended).toMatchObject({ text: 'tick '.repeat(20) });
    const after = await gateway.get('/mcp/v1/plugins/triton');
    expect(after['state']).toBe('active');
    const serving = (view: typeof after) =>
      view['instances'].find((one: { state: string }) => one.state === 'active').instance_id as string;
    expect(serving(after)).not.toBe(serving(before));
  });

  it('kill -9 of Triton fails every stream, and requests work when it is back', async () => {
    const { pid } = gateway.host;
    const begun = await begin(9, 5_000);
    await gateway.triton.kill();
    for (const stream of begun) {
      const ending = await stream.ended;
      expect(ending).toMatchObject({ error: 'upstream_unavailable', finish: undefined, complete: false });
      expect(ending.text).toMatch(/^(tick )+$/);
    }
    expect(await openai(gateway.host, say('x'))).toEqual({ error: 'upstream_unavailable' });
    const embedding = await gateway.post('/mcp/v1/embed', { model: 'triton/embed', input: 'x' });
    expect([embedding.status, embedding.body['kind']]).toEqual([503, 'upstream_unavailable']);
    const loading = await gateway.load('llm');
    expect(loading.body['kind']).toBe('upstream_unavailable');
    await gateway.triton.start(['llm', 'embed']);
    const back = await until(async () => {
      const answer = await openai(gateway.host, say('x', { max_tokens: 2 }));
      return answer.error === undefined ? answer : undefined;
    }, 'requests to work again');
    expect(back).toMatchObject({ text: 'x x ', finish: 'length' });
    const again = await gateway.post('/mcp/v1/embed', { model: 'triton/embed', input: 'ab' });
    expect(again.body['embeddings']).toEqual([[1, 1, 0, 0, 0, 0, 0, 0]]);
    expect(gateway.host.pid).toBe(pid);
    expect((await gateway.get('/mcp/v1/plugins/triton'))['restarts']).toBe(0);
  }, 90_000);
});
