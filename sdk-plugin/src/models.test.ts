import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Model,
  ModelState_Phase,
  ModelsDefinition,
  methodsOf,
  type LoadModelResponse,
} from '@outrigger/proto';
import { PluginError, definePlugin, type PluginDefinition } from './index.js';
import { gate, startPlugin, type TestPlugin } from './testing.js';

let plugin: TestPlugin | undefined;
afterEach(async () => plugin?.close());

async function start(parts: Partial<PluginDefinition>): Promise<TestPlugin> {
  plugin = await startPlugin(definePlugin({ name: 'subject', version: '1', ...parts }));
  return plugin;
}

const model = (id: string, aliases: string[] = []): Model => ({ ...Model.create({}), id, aliases });
const state = (phase: ModelState_Phase, fraction?: number): LoadModelResponse => ({
  state: { phase, reason: '', expires: undefined },
  fraction,
});

describe('ListModels', () => {
  it('comes in pages, in order, without gaps or repetitions while models come and go', async () => {
    let models = ['d', 'b', 'a', 'c', 'e'].map((id) => model(id));
    const { client } = await start({ listModels: () => Promise.resolve(models) });
    const ids = (await client.listModels(2)).map(({ id }) => id);
    expect(ids).toEqual(['a', 'b', 'c', 'd', 'e']);

    const { listModels } = methodsOf(ModelsDefinition);
    const first = await client.transport.unary(listModels, { pageSize: 2, pageToken: '' });
    models = ['0', 'a', 'c', 'd'].map((id) => model(id));
    const second = await client.transport.unary(listModels, { pageSize: 2, pageToken: first.nextPageToken });
    expect(second.models.map(({ id }) => id)).toEqual(['c', 'd']);
    expect(second.nextPageToken).toBe('');
  });

  it('refuses a token that is not ours', async () => {
    const { client } = await start({ listModels: () => Promise.resolve([]) });
    const { listModels } = methodsOf(ModelsDefinition);
    await expect(client.transport.unary(listModels, { pageSize: 0, pageToken: 'xx' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'page_token' }],
    });
  });
});

describe('GetModel', () => {
  it('looks into the list, aliases included', async () => {
    const { client } = await start({ listModels: () => Promise.resolve([model('big', ['large'])]) });
    expect((await client.getModel('large')).id).toBe('big');
    await expect(client.getModel('small')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'MODEL_NOT_FOUND',
      fields: [{ field: 'model', description: expect.any(String) as unknown }],
    });
  });
});

describe('LoadModel', () => {
  it('is joined by a second caller, survives callers that leave and reports to the end', async () => {
    const door = gate();
    let loads = 0;
    const { client } = await start({
      loadModel: async function* () {
        loads += 1;
        yield state(ModelState_Phase.PHASE_LOADING, 0.5);
        await door.opened;
        yield state(ModelState_Phase.PHASE_READY, 1);
      },
    });
    for await (const _progress of client.loadModel({ model: 'm' })) break;
    const second = client.loadModel({ model: 'm' });
    expect((await second.next()).value).toMatchObject({ fraction: 0.5 });
    door.open();
    expect((await second.next()).value?.state?.phase).toBe(ModelState_Phase.PHASE_READY);
    expect((await second.next()).done).toBe(true);
    expect(loads).toBe(1);
    for await (const _progress of client.loadModel({ model: 'm' }));
    expect(loads).toBe(2);
  });

  it('is ended by UnloadModel', async () => {
    const unloaded: string[] = [];
    const { client } = await start({
      loadModel: async function* (_request, { signal }) {
        yield state(ModelState_Phase.PHASE_LOADING);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        unloaded.push('load stopped');
      },
      unloadModel: (id) => Promise.resolve(void unloaded.push(id)),
    });
    const load = client.loadModel({ model: 'm' });
    await load.next();
    expect((await client.unloadModel('m'))?.phase).toBe(ModelState_Phase.PHASE_UNLOADED);
    await expect(load.next()).rejects.toMatchObject({ code: 'ABORTED', reason: 'CONFLICT' });
    expect(unloaded).toEqual(['load stopped', 'm']);
  });

  it('fails when it ends without a model that is ready, and with the reason that the plugin gives', async () => {
    const { client } = await start({
      loadModel: async function* ({ model: id }) {
        await Promise.resolve();
        if (id === 'broken') throw new PluginError('MODEL_BROKEN', 'no tensors');
      },
    });
    const load = async (id: string): Promise<void> => {
      for await (const _progress of client.loadModel({ model: id }));
    };
    await expect(load('x')).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(load('broken')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'MODEL_BROKEN',
    });
  });
});

describe('PullModel', () => {
  it('streams progress and stops when its caller leaves', async () => {
    const pull = { stopped: false };
    const { client } = await start({
      pullModel: async function* (_request, { signal }) {
        try {
          yield { status: 'fetching', model: '', totalBytes: 2n ** 60n, completedBytes: 1n };
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        } finally {
          pull.stopped = true;
        }
      },
    });
    for await (const { totalBytes } of client.pullModel('x')) {
      expect(totalBytes).toBe(2n ** 60n);
      break;
    }
    const deadline = Date.now() + 5_000;
    while (!pull.stopped && Date.now() < deadline) await client.info();
    expect(pull.stopped).toBe(true);
  });
});

describe('Telemetry', () => {
  it('has the count in flight where the plugin leaves it out', async () => {
    const { client } = await start({ metrics: () => Promise.resolve({ samples: [], slots: 2 }) });
    expect(await client.metrics()).toMatchObject({ inFlight: 0, slots: 2 });
  });
});

describe('Embed', () => {
  it('must answer every input', async () => {
    const embedding = { data: Buffer.from(new Float32Array([1, 0]).buffer), truncated: false };
    const { client } = await start({
      embed: () => Promise.resolve({ embeddings: [embedding], model: 'm', warnings: [] }),
    });
    expect((await client.embed({ inputs: ['a'] })).embeddings).toHaveLength(1);
    await expect(client.embed({ inputs: ['a', 'b'] })).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});
