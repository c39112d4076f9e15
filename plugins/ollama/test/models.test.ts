import { describe, it, expect, afterEach } from '@jest/globals';
import { ModelState_Phase } from '@outrigger/proto';
import { fakeRuntime, startPlugin, type RuntimeRoutes } from '@outrigger/sdk-plugin/testing';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ollamaPlugin } from '../src/adapter.js';
import { bench, chatLine, lastLine, lines, type Bench } from './fake-ollama.js';

let open: Bench | undefined;
async function start(more: RuntimeRoutes = {}, config: object = {}): Promise<Bench> {
  open = await bench(more, config);
  return open;
}
afterEach(async () => {
  await open?.[Symbol.asyncDispose]();
  open = undefined;
});

const requests = (used: Bench, path: string): number =>
  used.ollama.exchanges.filter((exchange) => exchange.path === path).length;

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('the list of models', () => {
  it('tells what the model could take and what it was given', async () => {
    const used = await start({
      'GET /api/ps': (exchange) =>
        exchange.reply(200, {
          models: [
            {
              name: 'm:latest',
              context_length: 4096,
              expires_at: '2026-05-01T00:00:00Z',
              size: 9,
              size_vram: 5,
            },
          ],
        }),
    });
    const [model, ...others] = await used.plugin.client.listModels();
    expect(others).toEqual([]);
    expect(model).toMatchObject({
      id: 'm:latest',
      aliases: ['m'],
      digest: 'sha256:abc',
      contextLength: 8192,
      contextLengthLoaded: 4096,
      embeddingDimensions: 64,
      weights: {
        family: 'llama',
        format: 'gguf',
        quantization: 'Q4_K_M',
        parameters: 1_500_000_000n,
        sizeBytes: 1000n,
      },
      state: { phase: ModelState_Phase.PHASE_READY, expires: new Date('2026-05-01T00:00:00Z') },
      capabilities: { chat: true, completion: true, tools: true, embedding: false, reasoning: false },
    });
    expect(requests(used, '/api/show')).toBe(0);
    expect((await used.plugin.client.getModel('m')).id).toBe('m:latest');
    await expect(used.plugin.client.getModel('x')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
  });

  it('asks an older Ollama once for each digest', async () => {
    const used = await start({
      'GET /api/tags': (exchange) =>
        exchange.reply(200, {
          models: [
            { name: 'a:1', digest: 'd1' },
            { name: 'b:1', digest: 'd2' },
          ],
        }),
      'POST /api/show': (exchange) => {
        const { model } = exchange.json() as { model: string };
        if (model === 'b:1') exchange.reply(500, { error: 'broken' });
        else
          exchange.reply(200, {
            model_info: {
              'general.architecture': 'qwen',
              'qwen.context_length': 777,
              'general.parameter_count': 12,
            },
            capabilities: ['completion', 'vision', 'thinking'],
          });
      },
    });
    const list = await used.plugin.client.listModels();
    expect(list).toMatchObject([
      {
        id: 'a:1',
        contextLength: 777,
        weights: { parameters: 12n },
        capabilities: { reasoning: true, inputModalities: [1] },
      },
      { id: 'b:1' },
    ]);
    expect(list[1]?.capabilities).toBeUndefined();
    await used.plugin.client.listModels();
    expect(requests(used, '/api/show')).toBe(3);
  });

  it('marks models that run elsewhere', async () => {
    const used = await start({
      'GET /api/tags': (exchange) =>
        exchange.reply(200, {
          models: [
            { name: 'big:cloud', size: 300, remote_host: 'https://ollama.com:443', remote_model: 'big' },
          ],
        }),
    });
    const [model] = await used.plugin.client.listModels();
    expect(model).toMatchObject({
      displayName: 'big:cloud (cloud)',
      extensions: { 'ollama.remote_host': '"https://ollama.com:443"' },
    });
    expect(model?.state?.reason).toContain('not on this machine');
    expect(model?.weights?.sizeBytes).toBeUndefined();
  });

  it('is an error, and not empty, when Ollama hangs', async () => {
    const used = await start({ 'GET /api/tags': (exchange) => exchange.closed }, { listTimeoutMs: 50 });
    await expect(used.plugin.client.listModels()).rejects.toMatchObject({ reason: 'UPSTREAM_TIMEOUT' });
  });
});

it('stays up without Ollama, and finds it when it comes', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  taken.close();
  await once(taken, 'close');
  await using plugin = await startPlugin(ollamaPlugin({ OLLAMA_HOST: `0.0.0.0:${port}` }));
  expect(await plugin.client.health()).toBe('SERVING');
  for (let round = 0; round < 3; round += 1) expect(await plugin.client.listModels()).toEqual([]);
  const said = plugin.log.lines.filter(({ msg }) => msg.includes('ollama serve'));
  expect(said).toHaveLength(1);
  await expect(plugin.client.getModel('m')).rejects.toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE' });
  // Ollama comes: here on another address, by configuration.
  await using ollama = await fakeRuntime({
    'GET /api/tags': (exchange) =>
      exchange.reply(200, {
        models: [{ name: 'm:latest', capabilities: [], details: { context_length: 1 } }],
      }),
    'GET /api/ps': (exchange) => exchange.reply(200, { models: [] }),
    'GET /api/version': (exchange) => exchange.reply(200, { version: '9.9.9' }),
  });
  await plugin.client.configure({ baseUrl: ollama.url });
  expect((await plugin.client.listModels()).map(({ id }) => id)).toEqual(['m:latest']);
  expect((await plugin.client.info()).runtime).toBe(`Ollama 9.9.9 at ${ollama.url}`);
});

it('refuses a wrong configuration and keeps the old one', async () => {
  const used = await start();
  await expect(used.plugin.client.configure({ baseUrl: 'ftp://x' })).rejects.toMatchObject({
    reason: 'INVALID_REQUEST',
    fields: [{ field: 'baseUrl' }],
  });
  expect(await used.plugin.client.listModels()).toHaveLength(1);
});

describe('loading', () => {
  it('repeats in later requests what the model was loaded with', async () => {
    const used = await start({
      'POST /api/generate': (exchange) => exchange.reply(200, { done: true, done_reason: 'load' }),
    });
    const { client } = used.plugin;
    const phases = (
      await all(client.loadModel({ model: 'm', contextLength: 512, options: { num_gpu: '0' } }))
    ).map(({ state }) => state?.phase);
    expect(phases.at(-1)).toBe(ModelState_Phase.PHASE_READY);
    const sent = used.ollama.exchanges.find(({ path }) => path === '/api/generate')?.json();
    expect(sent).toMatchObject({
      model: 'm',
      prompt: '',
      stream: false,
      shift: false,
      options: { num_gpu: 0, num_ctx: 512 },
    });
    await all(client.generate({ model: 'm:latest', user: 'hi' }));
    expect(used.ollama.exchanges.at(-1)?.json()).toMatchObject({ options: { num_ctx: 512 } });
    await client.unloadModel('m:latest');
    expect(used.ollama.exchanges.at(-1)?.json()).toMatchObject({ messages: [], keep_alive: 0 });
    used.ollama.route({ 'POST /api/chat': lines(chatLine('x'), lastLine()) });
    await all(client.generate({ model: 'm', user: 'hi' }));
    expect(used.ollama.exchanges.at(-1)?.json()).toMatchObject({ options: {} });
  });

  it('of a model that only embeds goes by embedding', async () => {
    const used = await start({
      'POST /api/generate': (exchange) => exchange.reply(400, { error: '"m" does not support generate' }),
      'POST /api/embed': (exchange) => exchange.reply(200, { embeddings: [] }),
    });
    await all(used.plugin.client.loadModel({ model: 'm' }));
    expect(requests(used, '/api/embed')).toBe(1);
  });

  it('fails with a reason', async () => {
    const used = await start({
      'POST /api/generate': (exchange) =>
        exchange.reply(500, { error: 'model requires more system memory (9 GiB)' }),
    });
    await expect(all(used.plugin.client.loadModel({ model: 'm' }))).rejects.toMatchObject({
      reason: 'OUT_OF_MEMORY',
    });
    await expect(
      all(used.plugin.client.loadModel({ model: 'm', options: { x: '1' } })),
    ).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });
});

describe('pulling', () => {
  it('adds the files up', async () => {
    const used = await start({
      'POST /api/pull': lines(
        { status: 'pulling manifest' },
        { status: 'pulling a', digest: 'a', total: 100 },
        { status: 'pulling a', digest: 'a', total: 100, completed: 100 },
        { status: 'pulling b', digest: 'b', total: 10, completed: 5 },
        { status: 'success' },
      ),
    });
    const steps = await all(used.plugin.client.pullModel('x'));
    expect(steps.map(({ totalBytes, completedBytes }) => [totalBytes, completedBytes])).toEqual([
      [undefined, undefined],
      [100n, 0n],
      [100n, 100n],
      [110n, 105n],
      [110n, 105n],
    ]);
    expect(steps.map(({ model }) => model)).toEqual(['', '', '', '', 'x:latest']);
  });

  it.each([
    [{ error: 'pull model manifest: file does not exist' }, 'MODEL_NOT_FOUND'],
    [{ error: 'digest mismatch, file must be downloaded again' }, 'CHECKSUM_MISMATCH'],
    [
      {
        error:
          'pull model manifest: Get "https://example.org/v2/": dial tcp: lookup example.org: no such host',
      },
      'UPSTREAM_UNAVAILABLE',
    ],
    [{ status: 'pulling a' }, 'TRUNCATED'],
  ])('that ends with %j fails', async (last, reason) => {
    const used = await start({ 'POST /api/pull': lines({ status: 'pulling manifest' }, last) });
    await expect(all(used.plugin.client.pullModel('x'))).rejects.toMatchObject({ reason });
  });
});

it('deletes', async () => {
  const used = await start({
    'DELETE /api/delete': (exchange) => exchange.reply(404, { error: "model 'x' not found" }),
  });
  await expect(used.plugin.client.deleteModel('x')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
  used.ollama.route({
    'DELETE /api/delete': (exchange) => {
      exchange.begin(200, {});
      exchange.end();
    },
  });
  await used.plugin.client.deleteModel('m');
  expect(used.ollama.exchanges.at(-1)?.json()).toEqual({ model: 'm' });
});

describe('embedding', () => {
  const answer: RuntimeRoutes = {
    'POST /api/embed': (exchange) =>
      exchange.reply(200, {
        model: 'm',
        embeddings: [
          [0.5, -1],
          [2, 0.25],
        ],
        prompt_eval_count: 4,
      }),
  };
  it('is little-endian 32-bit floats, in order, and cuts nothing in silence', async () => {
    const used = await start(answer);
    const { embeddings, usage, warnings } = await used.plugin.client.embed({
      model: 'm',
      inputs: ['a', 'b'],
      dimensions: 2,
    });
    expect(embeddings.map(({ data }) => [data.readFloatLE(0), data.readFloatLE(4)])).toEqual([
      [0.5, -1],
      [2, 0.25],
    ]);
    expect(usage?.inputTokens).toBe(4);
    expect(warnings).toEqual([]);
    expect(used.ollama.exchanges.at(-1)?.json()).toMatchObject({
      input: ['a', 'b'],
      truncate: false,
      dimensions: 2,
    });
  });
  it('says when vectors are shorter than asked', async () => {
    const used = await start(answer);
    const { warnings } = await used.plugin.client.embed({ model: 'm', inputs: ['a', 'b'], dimensions: 3 });
    expect(warnings).toMatchObject([{ field: 'dimensions' }]);
  });
  it('refuses token ids, and answers that are too few', async () => {
    const used = await start(answer);
    const { client } = used.plugin;
    await expect(
      client.embed({ model: 'm', inputs: [{ kind: { $case: 'tokens', value: { ids: [1] } } }] }),
    ).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    await expect(client.embed({ model: 'm', inputs: ['a'] })).rejects.toMatchObject({
      reason: 'UPSTREAM_ERROR',
    });
  });
});

it('reports what is in memory', async () => {
  const used = await start({
    'GET /api/ps': (exchange) => exchange.reply(200, { models: [{ name: 'm', size: 10, size_vram: 4 }] }),
  });
  expect(await used.plugin.client.metrics()).toMatchObject({
    inFlight: 0,
    memoryBytes: 10n,
    samples: [
      { name: 'ollama_loaded_models', value: 1 },
      { name: 'ollama_vram_bytes', value: 4 },
    ],
  });
});
