import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ModelState_Phase } from '@outrigger/proto';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { Plugged, fold, vectorsOf } from './support/plugged.js';
import { TritonProcess } from './support/triton-process.js';
import { until } from './support/until.js';

const { PHASE_FAILED, PHASE_LOADING, PHASE_READY, PHASE_UNLOADED } = ModelState_Phase;
const sampling = (parameters: object) => ({
  extensions: { sampling_parameters: JSON.stringify(parameters) },
});

describeWith('tritonserver', 'models of the real Triton', ({ path }) => {
  let triton: TritonProcess;
  let plugin: Plugged;

  beforeAll(async () => {
    triton = new TritonProcess(path);
    await triton.start(['llm', 'text', 'embed', 'embed_half', 'math', 'crash']);
    plugin = await Plugged.to({ endpoints: [{ url: triton.url }], silenceProbeMs: 300 });
  }, 90_000);
  afterAll(async () => {
    await plugin[Symbol.asyncDispose]();
    await triton[Symbol.asyncDispose]();
  }, 30_000);

  const phaseOf = async (model: string) => (await plugin.models()).get(model)?.state?.phase;

  describe('the list', () => {
    it('tells what each model is for, from its tensors', async () => {
      const models = await plugin.models();
      const abilities = Object.fromEntries(
        [...models].map(([id, { capabilities, extensions }]) => [
          id,
          [extensions['shape'], capabilities?.chat, capabilities?.embedding],
        ]),
      );
      expect(abilities).toMatchObject({
        llm: ['"vllm"', true, false],
        text: ['"text"', true, false],
        embed: ['"embedding"', false, true],
        embed_half: ['"embedding"', false, true],
        math: ['"raw"', false, false],
        // Nobody can ask a model that is not loaded: unknown is not no.
        trt: [undefined, undefined, undefined],
      });
      expect(models.get('embed')?.embeddingDimensions).toBe(8);
      expect(models.get('trt')?.state?.phase).toBe(PHASE_UNLOADED);
    });

    it('names the server to people', () => {
      expect(plugin.definition.runtime?.()).toBe('triton 2.51.0');
    });
  });

  describe('embeddings', () => {
    it('come in the order of the inputs, in batches as large as the model takes', async () => {
      const executions = async () =>
        (await plugin.metrics()).samples.find(
          (sample) => sample.name === 'triton_executions_total' && sample.labels['model'] === 'embed',
        )?.value ?? 0;
      const before = await executions();
      const texts = Array.from({ length: 20 }, (_, index) => 'a'.repeat(index) + 'b');
      const response = await plugin.embed('embed', texts);
      expect(vectorsOf(response)).toEqual(texts.map((_, index) => [index, 1, 0, 0, 0, 0, 0, 0]));
      // Triton counts a moment after it has answered.
      await until(async () => ((await executions()) - before >= 3 ? true : undefined), {
        what: 'three executions',
      });
      expect((await executions()) - before).toBe(3);
      expect(response.usage).toMatchObject({ estimated: true });
    });

    it('come from half precision and models without batches as well', async () => {
      const response = await plugin.embed('embed_half', ['aab', 'c', 'hh']);
      expect(vectorsOf(response)).toEqual([
        [0.2, 0.1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0.1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0.2],
      ]);
    });

    it('fail as a whole and say why', async () => {
      const texts = [...Array.from({ length: 30 }, () => 'a'), 'poison'];
      await expect(plugin.embed('embed', texts)).rejects.toMatchObject({
        reason: 'INVALID_REQUEST',
        message: 'this text is poison',
      });
      await expect(plugin.embed('llm', ['a'])).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
      await expect(plugin.embed('embed', [])).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
      const warned = await plugin.embed('embed', ['a'], { dimensions: 4 });
      expect(warned.warnings).toMatchObject([{ field: 'dimensions' }]);
    });
  });

  describe('raw tensors', () => {
    const tensor = (name: string, values: object) => ({
      name,
      datatype: '',
      shape: [],
      booleans: [],
      integers: [],
      unsignedIntegers: [],
      numbers: [],
      texts: [],
      blobs: [],
      ...values,
    });
    const ask = (...inputs: object[]) => plugin.infer({ model: 'math', inputs, outputs: [], parameters: {} });

    it('go in and come out in every type, to the last bit', async () => {
      const response = await ask(
        tensor('booleans', { booleans: [true, false] }),
        tensor('small', { integers: [-128n, 127n] }),
        tensor('whole', { integers: [-2147483648n, 7n] }),
        tensor('large', { integers: [-9223372036854775808n, 9223372036854775807n] }),
        tensor('unsigned', { unsignedIntegers: [18446744073709551615n, 0n] }),
        tensor('half', { numbers: [0.5, -65504] }),
        tensor('single', { numbers: [1.5, Infinity] }),
        tensor('double', { numbers: [0.1, Math.PI] }),
        tensor('bytes', { texts: ['ž🐎', ''] }),
      );
      expect(response.answers).toHaveLength(1);
      expect(response.version).toBe('1');
      const outputs = Object.fromEntries(
        (response.answers[0]?.outputs ?? []).map((output) => [output.name, output]),
      );
      expect(outputs).toMatchObject({
        booleans_out: { datatype: 'BOOL', shape: [2n], booleans: [false, true] },
        small_out: { integers: [127n, -128n] },
        whole_out: { integers: [7n, -2147483648n] },
        large_out: { integers: [9223372036854775807n, -9223372036854775808n] },
        unsigned_out: { unsignedIntegers: [0n, 18446744073709551615n] },
        half_out: { numbers: [-65504, 0.5] },
        single_out: { numbers: [Infinity, 1.5] },
        double_out: { numbers: [Math.PI, 0.1] },
        bytes_out: { texts: ['', 'ž🐎'] },
      });
    });

    it('come out in base64 when they are no text', async () => {
      const blobs = [Buffer.from([0xff, 0xfe]), Buffer.from('plain')];
      const response = await ask(tensor('bytes', { blobs }));
      expect(response.answers[0]?.outputs[0]).toMatchObject({ texts: [], blobs: [...blobs].reverse() });
    });

    it('name the field that is wrong', async () => {
      const wrong: [object, string][] = [
        [tensor('nope', { integers: [1n] }), 'inputs[0].name'],
        [tensor('small', { integers: [128n] }), 'inputs[0]'],
        [tensor('small', { texts: ['1'] }), 'inputs[0].texts'],
        [tensor('small', { integers: [1n], numbers: [1] }), 'inputs[0]'],
        [tensor('small', { integers: [1n], shape: [2n] }), 'inputs[0]'],
        [tensor('small', { integers: [1n], datatype: 'INT7' }), 'inputs[0].datatype'],
      ];
      for (const [input, field] of wrong) {
        await expect(ask(input)).rejects.toMatchObject({
          reason: 'INVALID_REQUEST',
          details: { fields: [{ field }] },
        });
      }
      // What only the server can know.
      await expect(ask(tensor('small', { integers: [1n], datatype: 'INT16' }))).rejects.toMatchObject({
        reason: 'INVALID_REQUEST',
      });
      await expect(
        plugin.infer({ model: 'math', inputs: [], outputs: ['none'], parameters: {} }),
      ).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
      await expect(
        plugin.infer({ model: 'nobody', inputs: [], outputs: [], parameters: {} }),
      ).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
    });

    it('gather the many answers of a model that streams', async () => {
      const inputs = [
        tensor('text_input', { texts: ['a b'] }),
        tensor('stream', { booleans: [true] }),
        tensor('sampling_parameters', { texts: ['{"max_tokens":3}'] }),
      ];
      const response = await plugin.infer({ model: 'llm', inputs, outputs: [], parameters: {} });
      expect(response.answers.map((answer) => answer.outputs[0]?.texts[0])).toEqual(['a ', 'b ', 'a ', '']);
      const failing = [...inputs.slice(0, 2), tensor('sampling_parameters', { texts: ['{"fail_at":1}'] })];
      await expect(
        plugin.infer({ model: 'llm', inputs: failing, outputs: [], parameters: {} }),
      ).rejects.toMatchObject({ reason: 'UPSTREAM_ERROR' });
    });

    it('are described', async () => {
      const described = await plugin.describe('embed');
      expect(described).toMatchObject({
        kind: 'embedding',
        maxBatchSize: 8,
        manyAnswers: false,
        inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [-1n, 1n], optional: false }],
        outputs: [{ name: 'embedding', datatype: 'FP32', shape: [-1n, 8n] }],
      });
      expect(await plugin.describe('llm')).toMatchObject({ kind: 'vllm', manyAnswers: true });
    });
  });

  describe('load and unload', () => {
    it('go on while streams run on the model and on others', async () => {
      let said = 0;
      const ask = { sampling: { maxOutputTokens: 200 }, ...sampling({ delay: 0.01 }) };
      const running = fold(plugin.start({ model: 'llm', prompt: 'tick', ...ask }), () => (said += 1));
      await until(() => (said > 3 ? true : undefined), { what: 'the stream' });
      expect(await plugin.load('trt')).toEqual([PHASE_LOADING, PHASE_READY]);
      expect((await plugin.complete('trt', 'hi')).text).toContain('hi');
      await plugin.unload('trt');
      await plugin.unload('llm');
      expect((await plugin.models()).get('llm')?.state?.phase).toBe(ModelState_Phase.PHASE_UNLOADING);
      await expect(plugin.complete('llm', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_LOADED' });
      // The stream that was open goes on to its end.
      expect((await running).text).toBe('tick '.repeat(200));
      await until(async () => ((await phaseOf('llm')) === PHASE_UNLOADED ? true : undefined), {
        what: 'llm to be unloaded',
      });
      await expect(plugin.complete('llm', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_LOADED' });
      expect(await plugin.load('llm')).toEqual([PHASE_LOADING, PHASE_READY]);
      expect((await plugin.complete('llm', 'x', { sampling: { maxOutputTokens: 1 } })).text).toBe('x ');
    });

    it('by somebody else is noticed by the request that meets it', async () => {
      await using other = await Plugged.to({ endpoints: [{ url: triton.url }] });
      await other.load('trt');
      expect((await plugin.complete('trt', 'hi')).text).toContain('hi');
      await other.unload('trt');
      // What is believed of the model is out of date; Triton says so inside a stream whose status is OK.
      await expect(plugin.complete('trt', 'hi')).rejects.toMatchObject({ reason: 'MODEL_NOT_LOADED' });
    });

    it('loading what is ready changes nothing', async () => {
      expect(await plugin.load('text')).toEqual([PHASE_READY]);
    });

    it('of a model that is not there', async () => {
      await expect(plugin.load('nobody')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
      await expect(plugin.unload('nobody')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
      await expect(plugin.complete('nobody', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
      await expect(plugin.chat('nobody', 'x')).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
      await expect(plugin.embed('nobody', ['x'])).rejects.toMatchObject({ reason: 'MODEL_NOT_FOUND' });
    });

    it('of a model that cannot be loaded, which leaves the others alone', async () => {
      const error = await plugin.load('broken').catch((thrown: unknown) => thrown as Error);
      expect(error).toMatchObject({
        reason: 'MODEL_BROKEN',
        message: expect.stringContaining('weights missing'),
      });
      expect((error as Error).message).not.toMatch(/\/tmp|model\.py|At:/);
      const listed = (await plugin.models()).get('broken');
      expect(listed?.state).toMatchObject({
        phase: PHASE_FAILED,
        reason: expect.stringContaining('weights missing'),
      });
      expect(listed?.state?.reason).not.toMatch(/\/tmp|model\.py/);
      await expect(plugin.complete('broken', 'x')).rejects.toMatchObject({ reason: 'MODEL_BROKEN' });
      expect((await plugin.complete('text', 'still here')).text).toContain('still here');
    });

    it('with a configuration given in the request', async () => {
      await plugin.unload('trt');
      await until(async () => ((await phaseOf('trt')) === PHASE_UNLOADED ? true : undefined), {
        what: 'trt to be unloaded',
      });
      const config = {
        backend: 'python',
        max_batch_size: 0,
        input: [{ name: 'other', data_type: 'TYPE_INT32', dims: [1] }],
        output: [{ name: 'o', data_type: 'TYPE_INT32', dims: [1] }],
      };
      expect(await plugin.load('trt', { config: JSON.stringify(config) })).toContain(PHASE_READY);
      expect((await plugin.describe('trt')).inputs).toMatchObject([{ name: 'other', datatype: 'INT32' }]);
      await expect(plugin.load('trt', { wings: '2' })).rejects.toMatchObject({
        reason: 'UNSUPPORTED_PARAMETER',
      });
    });

    it('while a model is slow to load others answer, and requests for it say so', async () => {
      const go = join(triton.repository, 'slow', 'go');
      rmSync(go, { force: true });
      const loading = plugin.load('slow');
      await until(async () => ((await phaseOf('slow')) === PHASE_LOADING ? true : undefined), {
        what: 'slow to be loading',
      });
      await expect(plugin.complete('slow', 'x')).rejects.toMatchObject({
        reason: 'MODEL_LOADING',
        details: { retryAfterMs: 1_000 },
      });
      expect((await plugin.complete('text', 'quick')).text).toContain('quick');
      writeFileSync(go, '');
      expect(await loading).toEqual([PHASE_LOADING, PHASE_READY]);
      expect((await plugin.complete('slow', 'x')).text).toBe('slow');
    });
  });

  describe('a model whose process dies', () => {
    it('fails requests as broken, is listed as failed, and is healed by a load', async () => {
      // Twice: after the first start Python leaves bytecode beside the model, which alone makes Triton load it anew.
      for (let round = 0; round < 2; round += 1) {
        expect((await plugin.complete('crash', 'hello')).text).toBe('alive');
        await expect(plugin.complete('crash', 'die')).rejects.toMatchObject({ reason: 'MODEL_BROKEN' });
        await expect(plugin.complete('crash', 'hello')).rejects.toMatchObject({ reason: 'MODEL_BROKEN' });
        expect((await plugin.models()).get('crash')?.state?.phase).toBe(PHASE_FAILED);
        expect(await plugin.load('crash')).toContain(PHASE_READY);
      }
      expect((await plugin.complete('crash', 'hello')).text).toBe('alive');
      expect(await phaseOf('crash')).toBe(PHASE_READY);
    });

    it('in the middle of a stream fails it, never as if it were complete', async () => {
      let text = '';
      const ask = {
        model: 'llm',
        prompt: 'a b',
        sampling: { maxOutputTokens: 50 },
        ...sampling({ crash_at: 6, delay: 0.02 }),
      };
      await expect(fold(plugin.start(ask), (_, soFar) => (text = soFar))).rejects.toMatchObject({
        name: 'PluginError',
        reason: 'MODEL_BROKEN',
      });
      expect(text).toBe('a b a b a b ');
      expect(await plugin.load('llm')).toContain(PHASE_READY);
      expect((await plugin.complete('llm', 'x', { sampling: { maxOutputTokens: 1 } })).text).toBe('x ');
    });
  });

  it('counts what the server has done', async () => {
    const { samples, inFlight } = await plugin.metrics();
    const value = (name: string, labels: Record<string, string>) =>
      samples.find(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([key, label]) => sample.labels[key] === label),
      )?.value;
    expect(value('triton_endpoint_up', { endpoint: 'default' })).toBe(1);
    expect(value('triton_requests_total', { model: 'text', outcome: 'success' })).toBeGreaterThan(0);
    expect(value('triton_phase_seconds_total', { model: 'embed', phase: 'compute_infer' })).toBeGreaterThan(
      0,
    );
    expect(inFlight).toBe(0);
  });
});
