import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FinishReason, Role, UnsupportedPolicy } from '@outrigger/proto';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { Plugged, fold } from './support/plugged.js';
import { TritonProcess } from './support/triton-process.js';
import { until } from './support/until.js';

const sampling = (parameters: object) => ({
  extensions: { sampling_parameters: JSON.stringify(parameters) },
});

describeWith('tritonserver', 'generating with the real Triton', ({ path }) => {
  let triton: TritonProcess;
  let plugin: Plugged;

  beforeAll(async () => {
    triton = new TritonProcess(path);
    await triton.start(['llm', 'llm_batched', 'text', 'trt']);
    plugin = await Plugged.to({ endpoints: [{ url: triton.url }] });
  }, 90_000);
  afterAll(async () => {
    await plugin[Symbol.asyncDispose]();
    await triton[Symbol.asyncDispose]();
  }, 30_000);

  for (const model of ['llm', 'llm_batched']) {
    describe(model, () => {
      it('streams a chat in pieces, with the reason and the count of the backend', async () => {
        const answer = await plugin.chat(model, 'one two', { sampling: { maxOutputTokens: 5 } });
        expect(answer.text).toBe('User: one two Assistant: User: ');
        expect(answer.pieces).toBeGreaterThanOrEqual(5);
        expect(answer.finish).toMatchObject({ reason: FinishReason.FINISH_REASON_LENGTH, raw: 'length' });
        expect(answer.usage).toMatchObject({ inputTokens: 4, outputTokens: 5, estimated: false });
      });

      it('answers unary callers in one piece, without the prompt before it', async () => {
        const answer = await plugin.complete(model, 'a b', { unary: true, sampling: { maxOutputTokens: 3 } });
        expect(answer).toMatchObject({
          text: 'a b a ',
          pieces: 1,
          usage: { inputTokens: 2, outputTokens: 3 },
        });
      });
    });
  }

  it('passes sampling on by the names of the backend, a seed to its last digit', async () => {
    const answer = await plugin.complete('llm', 'x', {
      sampling: {
        temperature: 0.5,
        topP: 0.9,
        topK: 7,
        minP: 0.1,
        seed: 9223372036854775807n,
        stop: ['\n\n'],
        frequencyPenalty: 0.25,
      },
      ...sampling({ report: true, lora_name: 'poet' }),
    });
    expect(answer.text).toContain('"seed": 9223372036854775807');
    // The sequence is written with backslashes in the answer, so that it does not end it.
    expect((JSON.parse(answer.text) as { sampling: unknown }).sampling).toEqual({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 7,
      min_p: 0.1,
      seed: expect.any(Number),
      stop: ['\n\n'],
      frequency_penalty: 0.25,
      report: true,
      lora_name: 'poet',
    });
  });

  it('gives a schema to the backend as JSON inside JSON', async () => {
    const answer = await plugin.complete('llm', 'x', {
      outputFormat: { kind: { $case: 'jsonSchema', value: { name: 's', schemaJson: '{"type":"object"}' } } },
      ...sampling({ report: true }),
    });
    expect(JSON.parse(answer.text)).toMatchObject({
      sampling: { structured_outputs: '{"json":{"type":"object"}}' },
    });
  });

  it('ends at a stop sequence of the caller, and says so', async () => {
    const backend = await plugin.complete('llm', 'a b c', { sampling: { stop: ['c'], maxOutputTokens: 9 } });
    expect(backend).toMatchObject({
      text: 'a b ',
      finish: { reason: FinishReason.FINISH_REASON_STOP, raw: 'stop' },
    });
    // This model knows no stop sequences.
    const plain = await plugin.complete('text', 'one two three', { sampling: { stop: ['two'] } });
    expect(plain).toMatchObject({
      text: 'You said: one ',
      finish: { reason: FinishReason.FINISH_REASON_STOP_SEQUENCE, detail: 'two' },
    });
    expect(plain.warnings).toEqual([]);
  });

  it('never cuts a character in two', async () => {
    const pieces: string[] = [];
    const ask = {
      model: 'llm',
      prompt: 'žluťoučký 🐎 křičí',
      sampling: { maxOutputTokens: 3 },
      ...sampling({ pieces: 1 }),
    };
    const answer = await fold(plugin.start(ask), (piece) => pieces.push(piece));
    expect(answer.text).toBe('žluťoučký 🐎 křičí ');
    expect(pieces.join('')).not.toContain('\uFFFD');
  });

  it('generates with an ordinary model, its reason told as unknown and its count as estimated', async () => {
    const answer = await plugin.chat('text', 'hello', { sampling: { temperature: 0.1 } });
    expect(answer.text).toBe('You said: User: hello\n\nAssistant:');
    expect(answer.finish?.reason).toBe(FinishReason.FINISH_REASON_UNSPECIFIED);
    expect(answer.usage).toMatchObject({ estimated: true });
    expect(answer.usage?.outputTokens).toBeGreaterThan(0);
    expect(answer.warnings).toEqual([]);
  });

  it('tells what a model cannot honour, or refuses, as the caller prefers', async () => {
    const ask = { sampling: { topK: 3, maxOutputTokens: 5, candidates: 2 } };
    const warned = await plugin.complete('text', 'hi', ask);
    expect(warned.warnings.map((warning) => warning.field).sort()).toEqual(['max_tokens', 'n', 'top_k']);
    const context = { requestId: 'r', unsupported: UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL };
    await expect(plugin.complete('text', 'hi', { ...ask, context })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_PARAMETER',
    });
  });

  it('fills the tensors of TensorRT-LLM, required ones included', async () => {
    const answer = await plugin.complete('trt', 'go', {
      sampling: { temperature: 0.5, topK: 4, seed: 18_446_744_073n, stop: ['\n', '\t'] },
    });
    expect(JSON.parse(answer.text.slice('go '.length))).toEqual({
      text_input: ['go'],
      max_tokens: [1024],
      bad_words: [''],
      stop_words: ['\n', '\t'],
      temperature: [0.5],
      top_k: [4],
      seed: [18_446_744_073],
      stream: [true],
    });
    expect(answer.pieces).toBeGreaterThan(1);
  });

  it('takes inputs by the names of the model, and names the one that it does not have', async () => {
    const extensions = { inputs: '{"bad_words":["x","y"],"max_tokens":3}' };
    const answer = await plugin.complete('trt', 'go', { extensions });
    expect(JSON.parse(answer.text.slice(3))).toMatchObject({ bad_words: ['x', 'y'], max_tokens: [3] });
    await expect(
      plugin.complete('trt', 'go', { extensions: { inputs: '{"beams":3}' } }),
    ).rejects.toMatchObject({
      reason: 'INVALID_REQUEST',
      message: expect.stringContaining('inputs.beams'),
    });
  });

  it('cancels in the model when the caller leaves in the middle', async () => {
    const before = await plugin.report('llm');
    const leave = new AbortController();
    const ask = {
      model: 'llm',
      prompt: 'tick tock',
      sampling: { maxOutputTokens: 100_000 },
      ...sampling({ delay: 0.005 }),
    };
    const stream = fold(plugin.start(ask, leave.signal), (_, soFar) => {
      if (soFar.length > 30) leave.abort();
    });
    await expect(stream).rejects.toBeDefined();
    await until(
      async () => ((await plugin.report('llm')).cancelled === before.cancelled + 1 ? true : undefined),
      { what: 'the cancel in the model' },
    );
  });

  it('cancels in the model when it stops reading by itself', async () => {
    const before = await plugin.report('llm');
    for await (const _ of plugin.start({
      model: 'llm',
      prompt: 'a',
      sampling: { maxOutputTokens: 100_000 },
      ...sampling({ delay: 0.005 }),
    }))
      break;
    await until(
      async () => ((await plugin.report('llm')).cancelled === before.cancelled + 1 ? true : undefined),
      { what: 'the cancel in the model' },
    );
  });

  it('ends with the error of the model, never as if it were complete', async () => {
    const cases = [
      [{ fail_at: 3 }, 'UPSTREAM_ERROR'],
      [{ fail_at: 0, code: 'INVALID_ARG' }, 'INVALID_REQUEST'],
      [{ fail_at: 2, code: 'UNAVAILABLE' }, 'UPSTREAM_UNAVAILABLE'],
      [{ fail_at: 2, code: 'CANCELLED' }, 'UPSTREAM_ERROR'],
      [{ fail_at: 1, message: 'CUDA out of memory. Tried to allocate' }, 'OUT_OF_MEMORY'],
      [
        { fail_at: 0, code: 'INVALID_ARG', message: 'the prompt exceeds the maximum model length of 8192' },
        'CONTEXT_LENGTH_EXCEEDED',
      ],
    ] as const;
    for (const [parameters, reason] of cases) {
      const failing = plugin.complete('llm', 'a b', {
        sampling: { maxOutputTokens: 9 },
        ...sampling(parameters),
      });
      await expect(failing).rejects.toMatchObject({ name: 'PluginError', reason });
    }
  });

  it('keeps tracebacks and paths to itself', async () => {
    const error = await plugin.complete('text', 'raise').catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ reason: 'UPSTREAM_ERROR' });
    expect((error as Error).message).toContain('python raised');
    expect((error as Error).message).not.toMatch(/\/srv|\/tmp|model\.py|Traceback|At:/);
  });

  it('knows a prompt that is too long by what is said', async () => {
    await expect(plugin.complete('text', 'endless')).rejects.toMatchObject({
      reason: 'CONTEXT_LENGTH_EXCEEDED',
    });
  });

  it('refuses what cannot be put into a text', async () => {
    const parts = [
      {
        kind: {
          $case: 'media' as const,
          value: { mimeType: 'image/png', source: { $case: 'data' as const, value: Buffer.from('x') } },
        },
      },
    ];
    const asking = fold(plugin.start({ model: 'llm', messages: [{ role: Role.ROLE_USER, parts }] }));
    await expect(asking).rejects.toMatchObject({
      reason: 'UNSUPPORTED_PARAMETER',
      message: expect.stringContaining('messages[0].parts[0]'),
    });
  });

  it('keeps a hundred streams apart', async () => {
    const words = Array.from({ length: 100 }, (_, index) => `word${index}`);
    const answers = await Promise.all(
      words.map((word) =>
        plugin.complete('llm', word, { sampling: { maxOutputTokens: 4 }, ...sampling({ delay: 0.002 }) }),
      ),
    );
    expect(answers.map((answer) => answer.text)).toEqual(words.map((word) => `${word} `.repeat(4)));
  });
});
