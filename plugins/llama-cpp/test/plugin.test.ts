import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ModelState_Phase,
  ToolChoice_Mode,
  type GenerateRequest,
  type PullModelResponse,
} from '@outrigger/proto';
import { collect, startPlugin, type TestPlugin } from '@outrigger/sdk-plugin/testing';
import { runtime } from '../../../scripts/runtimes/locate.mjs';
import { llamaCppPlugin } from '../src/adapter/adapter.js';
import { encodeDemoModel } from '../src/demo-model/demo-model.js';
import { speechText } from '../src/demo-model/scripts.js';
import { FakeHub } from './fake-hub.js';
import { TestFolder, until } from './support.js';

const server = runtime('llama-server');
const embedded = await import('node-llama-cpp').then(
  () => undefined,
  () => 'node-llama-cpp is not installed; install with: npm install',
);
const engines = [
  { engine: 'llama-server', missing: server.missing },
  { engine: 'embedded', missing: embedded },
] as const;

const weather = {
  name: 'get_weather',
  description: 'Weather of a city',
  parametersJson: '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
};
const sampling = (fields: Partial<NonNullable<GenerateRequest['sampling']>>) => ({
  stop: [],
  logitBias: {},
  ...fields,
});
const schema = (schemaJson: string) => ({
  kind: { $case: 'jsonSchema' as const, value: { name: 'x', schemaJson } },
});

for (const { engine, missing } of engines) {
  const title = `the plugin with the engine ${engine}`;
  (missing === undefined ? describe : describe.skip)(
    missing === undefined ? title : `${title} [skipped: ${missing}]`,
    () => {
      let folder: TestFolder;
      let plugin: TestPlugin;
      const full = engine === 'llama-server';

      beforeAll(async () => {
        folder = await TestFolder.make();
        plugin = await startPlugin(llamaCppPlugin('0.0.1', { ...process.env, LLAMA_SERVER: server.path }), {
          config: {
            engine,
            modelFolders: [join(folder.path, 'models')],
            dataFolder: join(folder.path, 'data'),
            demo: true,
            threads: 1,
            rescanMs: 50,
            models: { 'demo-loop': { contextLength: 65_536 } },
          },
        });
      });
      afterAll(async () => {
        await plugin.close();
        await folder.remove();
      });
      const generate = async (...args: Parameters<TestPlugin['client']['generate']>) =>
        collect(plugin.client.generate(...args));

      it('says what it is and declares only what this engine does', async () => {
        expect(await plugin.client.info()).toMatchObject({
          name: 'llama-cpp',
          runtime: expect.stringMatching(/llama/) as unknown,
        });
        const { parameters } = await plugin.client.capabilities();
        const names = parameters.map(({ name }) => name);
        expect(names).toEqual(
          expect.arrayContaining(['temperature', 'tools', 'response_format', 'grammar', 'repeat_penalty']),
        );
        for (const name of ['logprobs', 'n', 'mirostat', 'ignore_eos'])
          expect(names.includes(name)).toBe(full);
        for (const { name, schemaJson } of parameters) {
          if (['grammar', 'mirostat', 'repeat_last_n'].includes(name))
            expect(JSON.parse(schemaJson)).toBeInstanceOf(Object);
        }
      });

      it('offers the demo models with what each can do', async () => {
        const models = await plugin.client.listModels();
        expect(models.map(({ id }) => id)).toEqual([
          'demo',
          'demo-embed',
          'demo-loop',
          'demo-think',
          'demo-tools',
        ]);
        expect(models[0]).toMatchObject({
          displayName: 'Outrigger demo',
          contextLength: 131_072,
          capabilities: {
            chat: true,
            completion: true,
            embedding: false,
            tools: true,
            structuredOutput: true,
            logprobs: full,
          },
          weights: { family: 'llama', format: 'gguf', quantization: 'F32' },
        });
        expect(models[1]?.capabilities?.embedding).toBe(true);
      });

      it('answers in the words of the script, streaming and at once, and counts the same', async () => {
        for (const unary of [false, true]) {
          const said = await generate({ model: 'demo', user: 'hi', unary });
          expect(said).toMatchObject({
            text: speechText('demo'),
            finish: 'STOP',
            head: { model: 'demo' },
            warnings: [],
          });
          expect(said.usage).toMatchObject({ inputTokens: 21, outputTokens: 31 });
        }
        expect(await plugin.client.countTokens({ model: 'demo', user: 'hi' })).toEqual({
          inputTokens: 21,
          estimated: false,
        });
      });

      it('continues a prompt, up to a stop text or a limit', async () => {
        const limited = await generate({
          model: 'demo',
          prompt: 'Once',
          sampling: sampling({ maxOutputTokens: 3 }),
        });
        expect([limited.text, limited.finish]).toEqual(['This is the', 'LENGTH']);
        const stopped = await generate({
          model: 'demo',
          prompt: 'Once',
          sampling: sampling({ stop: ['demo'] }),
        });
        expect([stopped.text, stopped.finish]).toEqual(['This is the ', full ? 'STOP' : 'STOP_SEQUENCE']);
      });

      it('calls tools, offered, required or by name, and then speaks', async () => {
        const called = await generate({ model: 'demo-tools', user: 'weather?', tools: [weather] });
        expect(called).toMatchObject({ finish: 'TOOL_CALLS', text: '' });
        expect(called.toolCalls).toMatchObject([{ name: 'get_weather', argumentsJson: '{"city": "Paris"}' }]);
        expect(called.toolCalls[0]?.id).toMatch(/.{8}/);
        // The model only knows get_weather; the grammar of the call lets it write no other name than those offered.
        const bound = await generate({
          model: 'demo-tools',
          user: 'x',
          tools: [{ ...weather, name: 'lookup' }],
        });
        expect(bound.toolCalls).toMatchObject([{ name: 'lookup' }]);
        const tools = [{ ...weather, name: 'other' }, weather];
        const named = { mode: ToolChoice_Mode.MODE_TOOL, names: ['get_weather'] };
        const forced = await generate({ model: 'demo-tools', user: 'x', tools, toolChoice: named });
        expect(forced.toolCalls.map(({ name }) => name)).toEqual(['get_weather']);
        const none = { mode: ToolChoice_Mode.MODE_NONE, names: [] };
        expect(
          (await generate({ model: 'demo-tools', user: 'x', tools, toolChoice: none })).toolCalls,
        ).toEqual([]);
      });

      it('follows JSON schemas and grammars', async () => {
        const wanted =
          '{"type":"object","properties":{"n":{"type":"integer"},"s":{"type":"string"}},"required":["n","s"]}';
        const said = await generate({ model: 'demo', user: 'x', outputFormat: schema(wanted) });
        expect(JSON.parse(said.text)).toEqual({ n: expect.any(Number) as unknown, s: 'demo' });
        const any = { kind: { $case: 'json' as const, value: {} } };
        expect(
          JSON.parse((await generate({ model: 'demo', user: 'x', outputFormat: any })).text),
        ).toBeInstanceOf(Object);
        const ruled = { grammar: JSON.stringify('root ::= "yes" | "no"') };
        expect((await generate({ model: 'demo', user: 'x', extensions: ruled })).text).toMatch(/^(yes|no)$/);
      });

      it('follows references within a schema and refuses those that lead nowhere', async () => {
        const wanted = (reference: string): string =>
          JSON.stringify({
            type: 'object',
            properties: { n: { $ref: reference }, s: { const: 'demo' } },
            required: ['n', 's'],
            definitions: { whole: { $ref: '#/$defs/inner' } },
            $defs: {
              inner: { type: 'integer' },
              // Goes round in circles, and nothing asks for it.
              list: { type: 'object', properties: { next: { $ref: '#/$defs/list' } } },
            },
          });
        const ask = (reference: string) =>
          generate({ model: 'demo', user: 'x', outputFormat: schema(wanted(reference)) });
        const said = await ask('#/definitions/whole');
        expect(JSON.parse(said.text)).toEqual({ n: expect.any(Number) as unknown, s: 'demo' });
        for (const nowhere of ['#/definitions/nothing', '#/definitions/whole/x', '#/%', 'nothing']) {
          await expect(ask(nowhere)).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
        }
        const parametersJson = '{"type":"object","properties":{"x":{"$ref":"#/nowhere"}}}';
        await expect(
          generate({ model: 'demo-tools', user: 'x', tools: [{ ...weather, parametersJson }] }),
        ).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
      });

      it('names what it leaves out, or refuses it when asked to', async () => {
        const wish = { model: 'demo', user: 'x', sampling: sampling({ topLogprobs: 1, maxOutputTokens: 2 }) };
        const said = await generate(wish);
        expect(said.logprobs).toHaveLength(full ? 2 : 0);
        expect(said.warnings.map(({ field }) => field)).toEqual(full ? [] : ['logprobs']);
        const strict = { requestId: 'r', instanceId: '', traceparent: '', unsupported: 2 };
        const suffix = { model: 'demo', prompt: 'x', suffix: 'y' };
        expect((await generate(suffix)).warnings).toMatchObject([{ field: 'suffix' }]);
        await expect(generate({ ...suffix, context: strict })).rejects.toMatchObject({
          reason: 'UNSUPPORTED_PARAMETER',
        });
      });

      it('tells reasoning apart from the answer', async () => {
        const said = await generate({ model: 'demo-think', user: 'hi' });
        expect(said).toMatchObject({
          reasoning: 'Only the last token counts here.',
          text: speechText('demo-think'),
          finish: 'STOP',
        });
        const effort = { effort: 4, budgetTokens: undefined };
        expect((await generate({ model: 'demo', user: 'hi', reasoning: effort })).warnings).toMatchObject([
          { field: 'reasoning_effort' },
        ]);
        expect((await plugin.client.getModel('demo-think')).capabilities?.reasoning).toBe(true);
      });

      it('embeds texts and tokens in order', async () => {
        const { embeddings, usage } = await plugin.client.embed({
          model: 'demo-embed',
          inputs: ['hello', 'world', 'hello'],
        });
        expect(embeddings.map(({ data }) => data.length)).toEqual([384 * 4, 384 * 4, 384 * 4]);
        expect(embeddings[0]?.data.equals(embeddings[2]?.data ?? Buffer.alloc(0))).toBe(true);
        expect(embeddings[0]?.data.equals(embeddings[1]?.data ?? Buffer.alloc(0))).toBe(false);
        expect(usage?.inputTokens).toBeGreaterThan(10);
        const tokens = { kind: { $case: 'tokens' as const, value: { ids: [1, 300, 301] } } };
        expect(
          (await plugin.client.embed({ model: 'demo-embed', inputs: [tokens] })).embeddings,
        ).toHaveLength(1);
        const none = { kind: { $case: 'tokens' as const, value: { ids: [1, 99_999_999] } } };
        await expect(plugin.client.embed({ model: 'demo-embed', inputs: [none] })).rejects.toMatchObject({
          reason: 'INVALID_REQUEST',
        });
      });

      it.each([
        ['an unknown model', { model: 'nope', user: 'x' }, 'MODEL_NOT_FOUND'],
        ['no messages', { model: 'demo' }, 'INVALID_REQUEST'],
        [
          'a prompt beyond the context',
          { model: 'demo', user: 'word '.repeat(30_000) },
          'CONTEXT_LENGTH_EXCEEDED',
        ],
        [
          'a schema that is none',
          { model: 'demo', user: 'x', outputFormat: schema('{"type":"nonsense"}') },
          'INVALID_REQUEST',
        ],
        [
          'a schema that is no JSON',
          { model: 'demo', user: 'x', outputFormat: schema('{') },
          'INVALID_REQUEST',
        ],
        [
          'a grammar that is none',
          { model: 'demo', user: 'x', extensions: { grammar: '"root ::= missing"' } },
          'INVALID_REQUEST',
        ],
        [
          'a bias on no token',
          { model: 'demo', user: 'x', sampling: sampling({ logitBias: { x: 1 } }) },
          'INVALID_REQUEST',
        ],
      ])('refuses %s', async (_name, fields, reason) => {
        const error: unknown = await generate(fields).catch((caught: unknown) => caught);
        expect(error).toMatchObject({ reason });
        expect((error as Error).message).not.toContain(folder.path);
      });

      it('refuses to embed with a model that does not, and counts for it all the same', async () => {
        await expect(plugin.client.embed({ model: 'demo', inputs: ['x'] })).rejects.toMatchObject({
          reason: 'UNSUPPORTED_OPERATION',
        });
      });

      it('stops the engine when the caller leaves', async () => {
        const leave = new AbortController();
        const stream = plugin.client.generate({ model: 'demo-loop', user: 'x' }, { signal: leave.signal });
        const listening = (async () => {
          let events = 0;
          for await (const _ of stream) if (++events === 10) leave.abort();
        })();
        await expect(listening).rejects.toBeDefined();
        await until(
          'nothing is in flight',
          async () => (await plugin.client.metrics()).inFlight === 0,
          5_000,
        );
      });

      it('loads with progress, tells how it is loaded, and unloads', async () => {
        await plugin.client.unloadModel('demo');
        const phases = [];
        for await (const { state } of plugin.client.loadModel({ model: 'demo', contextLength: 4096 }))
          phases.push(state?.phase);
        expect(phases[0]).toBe(ModelState_Phase.PHASE_LOADING);
        expect(phases.at(-1)).toBe(ModelState_Phase.PHASE_READY);
        expect(await plugin.client.getModel('demo')).toMatchObject({
          contextLengthLoaded: 4096,
          state: { phase: ModelState_Phase.PHASE_READY },
        });
        const wrong = plugin.client.loadModel({ model: 'demo', options: { nonsense: '1' } });
        await expect(wrong.next()).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
        await plugin.client.unloadModel('demo');
        expect((await plugin.client.getModel('demo')).state?.phase).toBe(ModelState_Phase.PHASE_UNLOADED);
      });

      it('says why a model cannot be loaded', async () => {
        const models = join(folder.path, 'models');
        await mkdir(models, { recursive: true });
        const broken = encodeDemoModel('demo');
        // A header that reads, weights that do not fit together.
        broken.write('llamx', broken.indexOf('llama'));
        await writeFile(join(models, 'broken.gguf'), broken);
        await until('it is listed', async () =>
          (await plugin.client.listModels()).some(({ id }) => id === 'broken'),
        );
        await expect(generate({ model: 'broken', user: 'x' })).rejects.toMatchObject({
          reason: 'MODEL_BROKEN',
        });
        expect((await plugin.client.getModel('broken')).state).toMatchObject({
          phase: ModelState_Phase.PHASE_FAILED,
        });
        await rm(join(models, 'broken.gguf'));
      });

      it('fetches a model, uses it and deletes it', async () => {
        const hub = await FakeHub.start();
        try {
          hub.put('me/tiny/mine.gguf', { content: encodeDemoModel('demo') });
          const steps: PullModelResponse[] = [];
          const source = `${hub.endpoint}/me/tiny/resolve/main/mine.gguf`;
          for await (const step of plugin.client.pullModel(source)) steps.push(step);
          expect(steps.at(-1)?.model).toBe('mine');
          expect((await generate({ model: 'mine', user: 'hi' })).text).toBe(speechText('demo'));
          await plugin.client.deleteModel('mine');
          await expect(plugin.client.getModel('mine')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
          await expect(readFile(join(folder.path, 'models', 'mine.gguf'))).rejects.toThrow();
          const bad = plugin.client.pullModel('hf:nonsense');
          await expect(bad.next()).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
        } finally {
          await hub[Symbol.asyncDispose]();
        }
        await expect(plugin.client.deleteModel('demo')).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
      });

      it('keeps the configuration in force when another is refused', async () => {
        await expect(plugin.client.configure({ engine: 'abacus' }, 2)).rejects.toMatchObject({
          reason: 'INVALID_REQUEST',
        });
        await expect(plugin.client.configure({ llamaServer: '/no/such/program' }, 3)).rejects.toMatchObject({
          reason: 'UPSTREAM_UNAVAILABLE',
        });
        expect((await generate({ model: 'demo', user: 'hi' })).text).toBe(speechText('demo'));
      });
    },
  );
}
