import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ToolResult } from '../catalog.js';
import { fakeCall, fakePort, memoryLogger } from '../testing/fake-port.js';
import { createToolCatalog } from '../tool-catalog.js';
import { inferenceTools } from './inference-tools.js';
import { inferenceResources } from './resources.js';

function setUp(pieces?: string[]) {
  const port = fakePort(pieces);
  const catalog = createToolCatalog({
    info: { name: 'x', version: '1' },
    tools: inferenceTools(port),
    resources: [inferenceResources(port)],
    logger: memoryLogger(),
  });
  const call = (name: string, args: Record<string, unknown>, overrides = {}): Promise<ToolResult> =>
    catalog.callTool(name, args, fakeCall(overrides));
  return { port, catalog, call };
}

describe('the tools of the product', () => {
  it('come in one order', () => {
    expect(
      setUp()
        .catalog.tools()
        .map((tool) => tool.name),
    ).toEqual([
      'list_models',
      'get_model',
      'generate',
      'create_completion',
      'embed',
      'compare_models',
      'count_tokens',
      'list_plugins',
    ]);
  });

  it('have schemas that are valid ones, on which the catalog relies', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const { inputSchema, outputSchema } of setUp().catalog.tools()) {
      expect(() => ajv.compile(inputSchema)).not.toThrow();
      if (outputSchema !== undefined) expect(() => ajv.compile(outputSchema)).not.toThrow();
    }
  });

  it('generate: text alone in the content, everything in the structure, deltas as progress', async () => {
    const { port, call } = setUp();
    const heard: string[] = [];
    const result = await call(
      'generate',
      { prompt: 'hi', system: 'be brief', temperature: 0, parameters: { grammar: 'g' }, min_p: 0.1 },
      {
        progress: (update: { message: string }) => heard.push(update.message),
        meta: { traceparent: '00-a-b-01' },
      },
    );
    expect(result.content).toEqual([{ type: 'text', text: 'Hello, world' }]);
    expect(result.structuredContent).toEqual({
      text: 'Hello, world',
      tool_calls: [],
      finish_reason: 'stop',
      model: 'demo/alpha',
      plugin: 'demo',
      usage: { input_tokens: 3, output_tokens: 3 },
      warnings: [],
      ignored_params: ['min_p'],
    });
    expect(heard.join('')).toBe('Hello, world');
    expect(port.asked[0]?.input).toEqual({
      model: '',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi' },
      ],
      parameters: { grammar: 'g', temperature: 0, min_p: 0.1 },
      strictParams: false,
    });
    expect(port.asked[0]?.call.traceparent).toBe('00-a-b-01');
  });

  it('create_completion is generate by another name', async () => {
    const { call } = setUp();
    expect(await call('create_completion', { prompt: 'hi' })).toEqual(
      await call('generate', { prompt: 'hi' }),
    );
  });

  it.each([
    [{}, 'arguments.prompt or arguments.messages is missing'],
    [{ prompt: 'a', messages: [{ role: 'user', content: 'b' }] }, 'exclude each other'],
    [{ prompt: 'a', temperature: 3 }, 'arguments.temperature must be <= 2'],
    [{ prompt: 'a', temprature: 1 }, 'arguments.temprature is not known; did you mean temperature?'],
    [{ prompt: 'a', top_k: -2 }, 'arguments.top_k must be >= -1'],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 'arguments.messages[0].role must be one of'],
    [{ prompt: 'a', top_p: 1, parameters: { top_p: 0 } }, 'arguments.top_p is given twice'],
  ])('generate refuses %j with a sentence', async (args, message) => {
    const result = await setUp().call('generate', args);
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toMatchObject({
      error: { kind: 'invalid_request', message: expect.stringContaining(message) },
    });
  });

  it('an error of the host is a failed call with its kind', async () => {
    const result = await setUp().call('generate', { prompt: 'a', model: 'missing' });
    expect(result).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: 'no model missing' }],
      structuredContent: { error: { kind: 'model_not_found', message: 'no model missing', param: 'model' } },
    });
  });

  it('compare_models answers in the order asked, each its answer or its error', async () => {
    const { call } = setUp();
    const updates: { progress?: number; total?: number }[] = [];
    const result = await call(
      'compare_models',
      { prompt: 'hi', models: ['alpha', 'missing', 'beta'] },
      { progress: (update: object) => updates.push(update) },
    );
    expect(result.isError).toBeUndefined();
    expect(result.structuredContent).toMatchObject({
      results: [
        { requested_model: 'alpha', text: 'Hello, world' },
        { requested_model: 'missing', error: { kind: 'model_not_found' } },
        { requested_model: 'beta', text: 'Hello, world' },
      ],
    });
    expect(updates.map((update) => update.progress)).toEqual([1, 2, 3]);
    expect(updates.every((update) => update.total === 3)).toBe(true);
  });

  it('compare_models fails when every model does, and refuses a model named twice', async () => {
    const { call } = setUp();
    const compare = (...models: string[]) => call('compare_models', { prompt: 'a', models });
    const failed = await compare('missing-1', 'missing-2');
    expect(failed.isError).toBe(true);
    expect(failed.structuredContent).toMatchObject({ results: [{ error: {} }, { error: {} }] });
    expect((await compare('alpha', 'beta', 'alpha')).structuredContent).toMatchObject({
      error: { message: 'arguments.models[2] names a model for the second time' },
    });
    expect((await compare('alpha')).structuredContent).toMatchObject({ error: { kind: 'invalid_request' } });
  });

  it('list_models, get_model, embed, count_tokens and list_plugins answer', async () => {
    const { call } = setUp();
    expect((await call('list_models', {})).structuredContent).toMatchObject({
      models: [{ id: 'demo/alpha', context_length: 4096 }, { id: 'demo/beta' }],
    });
    expect((await call('list_models', { plugin: 'other' })).structuredContent).toEqual({ models: [] });
    expect((await call('get_model', { model: 'beta' })).structuredContent).toMatchObject({ id: 'demo/beta' });
    expect((await call('get_model', { model: 'gamma' })).structuredContent).toMatchObject({
      error: { kind: 'model_not_found' },
    });
    expect((await call('embed', { input: ['ab', 'c'] })).structuredContent).toMatchObject({
      embeddings: [
        [2, 1],
        [1, 1],
      ],
      usage: { input_tokens: 2 },
    });
    expect((await call('count_tokens', { prompt: 'a', system: 'b' })).structuredContent).toEqual({
      input_tokens: 14,
      estimated: false,
    });
    expect((await call('list_plugins', {})).structuredContent).toMatchObject({ plugins: [{ name: 'demo' }] });
  });

  it('every result satisfies the schema that clients hold it against', async () => {
    // callTool turns a result that does not into an error.
    const { call, catalog } = setUp();
    const args: Record<string, Record<string, unknown>> = {
      get_model: { model: 'alpha' },
      generate: { prompt: 'a' },
      create_completion: { prompt: 'a' },
      embed: { input: 'a' },
      compare_models: { prompt: 'a', models: ['alpha', 'missing'] },
      count_tokens: { prompt: 'a' },
    };
    for (const { name } of catalog.tools())
      expect((await call(name, args[name] ?? {})).isError).toBeUndefined();
  });

  it('resources can be read, and a model by its escaped name', async () => {
    const { catalog } = setUp();
    const read = async (uri: string): Promise<unknown> => {
      const [contents] = await catalog.readResource(uri, fakeCall());
      return JSON.parse((contents as { text: string }).text);
    };
    expect(await read('models://list')).toMatchObject({
      models: [{ id: 'demo/alpha' }, { id: 'demo/beta' }],
    });
    expect(await read('models://demo%2Fbeta')).toMatchObject({ id: 'demo/beta', context_length: 8192 });
    expect(await read('models://demo/beta')).toMatchObject({ id: 'demo/beta' });
    expect(await read('config://providers')).toMatchObject({ plugins: [{ name: 'demo' }] });
    expect(await read('stats://usage')).toEqual({ requests: 0 });
    for (const uri of ['models://nope', 'models://%E0%A4%A', 'other://x', 'toString'])
      await expect(read(uri)).rejects.toMatchObject({ kind: 'unknown_resource' });
  });

  it('names of models are completed', async () => {
    const { catalog } = setUp();
    const reference = { type: 'resource', uri: 'models://{id}' } as const;
    expect(await catalog.complete?.(reference, 'id', 'demo/a')).toEqual(['demo/alpha']);
  });
});
