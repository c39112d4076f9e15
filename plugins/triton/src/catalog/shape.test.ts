import { describe, expect, it } from '@jest/globals';
import { configSchema, noSettings } from '../config.js';
import { shapeOf, type ModelTensors, type TensorSpec } from './shape.js';

const spec = (name: string, datatype: string, shape: number[] = [1], optional = false): TensorSpec => ({
  name,
  datatype,
  shape,
  optional,
});
const model = (inputs: TensorSpec[], outputs: TensorSpec[], parameters = {}): ModelTensors => ({
  inputs,
  outputs,
  batched: false,
  parameters,
});
const settings = (given: object) => configSchema.parse({ models: { m: given } }).models['m'] ?? noSettings;
const text = spec('text_input', 'BYTES');
const answer = spec('text_output', 'BYTES', [-1]);
const option = (name: string, datatype: string) => spec(name, datatype, [1], true);

describe('recognising', () => {
  const cases: [string, ModelTensors, string][] = [
    [
      'vLLM',
      model([text, option('stream', 'BOOL'), option('sampling_parameters', 'BYTES')], [answer]),
      'vllm',
    ],
    [
      'TensorRT-LLM',
      model(
        [text, spec('max_tokens', 'INT32'), option('bad_words', 'BYTES'), option('stop_words', 'BYTES')],
        [answer, spec('cum_log_probs', 'FP32')],
      ),
      'tensorrt-llm',
    ],
    ['text', model([spec('PROMPT', 'BYTES')], [spec('COMPLETION', 'BYTES')]), 'text'],
    ['text with a limit', model([text, spec('max_tokens', 'INT32')], [answer]), 'text'],
    ['embeddings by length', model([spec('TEXT', 'BYTES')], [spec('pooled', 'FP16', [768])]), 'embedding'],
    [
      'embeddings by name',
      model(
        [text],
        [spec('sentence_embedding', 'FP32', [-1, -1]), spec('token_embeddings', 'FP32', [-1, -1, -1])],
      ),
      'embedding',
    ],
    [
      'embeddings by purpose',
      model([text], [spec('o', 'FP32', [-1])], { purpose: 'embedding' }),
      'embedding',
    ],
    ['scores', model([text], [spec('logits', 'FP32', [1000])]), 'raw'],
    ['numbers', model([spec('x', 'FP32', [4])], [spec('y', 'FP32', [4])]), 'raw'],
    ['text and a required picture', model([text, spec('image', 'UINT8', [-1])], [answer]), 'raw'],
    ['nothing described', model([], []), 'raw'],
  ];
  it.each(cases)('%s', (_, tensors, kind) => {
    expect(shapeOf(tensors, noSettings).kind).toBe(kind);
  });
});

describe('declaring', () => {
  it('wins over recognising', () => {
    const tensors = model([text, option('sampling_parameters', 'BYTES')], [answer]);
    expect(shapeOf(tensors, settings({ shape: 'raw' })).kind).toBe('raw');
    expect(shapeOf(tensors, settings({ shape: 'text' })).kind).toBe('text');
  });

  it('names the tensors where their names do not tell', () => {
    const tensors = model([spec('a', 'BYTES'), spec('b', 'BYTES')], [spec('c', 'BYTES'), spec('d', 'BYTES')]);
    expect(shapeOf(tensors, noSettings).kind).toBe('raw');
    expect(
      shapeOf(tensors, settings({ shape: 'text', tensors: { text_input: 'b', text_output: 'd' } })),
    ).toMatchObject({ text: { name: 'b' }, answer: { name: 'd' } });
  });

  it('serves models that are not described, and is refused where it cannot be', () => {
    expect(shapeOf(model([], []), settings({ shape: 'text' }))).toMatchObject({
      kind: 'text',
      text: { name: 'text_input' },
    });
    expect(shapeOf(model([text], [answer]), settings({ shape: 'embedding' }))).toMatchObject({ kind: 'raw' });
  });
});
