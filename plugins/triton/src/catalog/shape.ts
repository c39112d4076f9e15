import type { ModelSettings, shapeNames } from '../config.js';
import type { DataTypeName } from '../server/tensor.js';

/** How a model is used. */
export type ShapeName = (typeof shapeNames)[number];

/** A tensor as a model describes it; shape with the batch, -1 is any size. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** An input that may be left out. */
  readonly optional: boolean;
}

/** What recognition looks at. */
export interface ModelTensors {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** A batch dimension leads every shape. */
  readonly batched: boolean;
  /** The parameters of the model's configuration. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A model's shape with the tensors that carry text and vectors. */
export type Shape =
  | {
      readonly kind: 'vllm' | 'tensorrt-llm' | 'text';
      readonly text: TensorSpec;
      readonly answer: TensorSpec;
    }
  | { readonly kind: 'embedding'; readonly text: TensorSpec; readonly vector: TensorSpec }
  | { readonly kind: 'raw'; /** Why nothing better was found. */ readonly why: string };

const floats: ReadonlySet<string> = new Set(['FP16', 'BF16', 'FP32', 'FP64'] satisfies DataTypeName[]);
const textNames = ['text_input', 'text', 'prompt', 'input', 'inputs', 'query', 'input_text', 'args'];
const answerNames = [
  'text_output',
  'text',
  'output',
  'generated_text',
  'response',
  'completion',
  'answer',
  'output_text',
];
const vectorNames = ['embedding', 'embeddings', 'sentence_embedding', 'vector', 'output'];

const named = (specs: readonly TensorSpec[], name: string) =>
  specs.find((spec) => spec.name.toLowerCase() === name.toLowerCase());

/** The tensor of a role: declared by name, else one of the usual names, else the only one there is. */
function pick(
  specs: readonly TensorSpec[],
  declared: string | undefined,
  usual: readonly string[],
): TensorSpec | undefined {
  if (declared !== undefined) return specs.find((spec) => spec.name === declared);
  for (const name of usual) {
    const spec = named(specs, name);
    if (spec !== undefined) return spec;
  }
  return specs.length === 1 ? specs[0] : undefined;
}

const isBytes = (spec: TensorSpec) => spec.datatype === 'BYTES';

function textOf(tensors: ModelTensors, settings: ModelSettings): TensorSpec | undefined {
  const inputs = tensors.inputs.filter(isBytes);
  const required = inputs.filter((input) => !input.optional);
  const declared = settings.tensors['text_input'];
  if (declared !== undefined) return inputs.find((input) => input.name === declared);
  return pick(required, undefined, textNames);
}

/** The vector output: one dimension of fixed or open length per input, and not scores by their name. */
function vectorOf(tensors: ModelTensors, settings: ModelSettings): TensorSpec | undefined {
  const outputs = tensors.outputs.filter((output) => floats.has(output.datatype));
  const vector = pick(outputs, settings.tensors['embedding'], vectorNames);
  const flat = outputs.filter((output) => (output.shape.at(-1) ?? 1) !== 1 && output.shape.length <= 2);
  return vector ?? (flat.length === 1 ? flat[0] : undefined);
}

function saysEmbedding(tensors: ModelTensors, vector: TensorSpec): boolean {
  const purpose = tensors.parameters['purpose'] ?? tensors.parameters['task'] ?? '';
  if (/embed|feature.extraction|sentence.similarity/i.test(purpose)) return true;
  if (/embed|vector/i.test(vector.name)) return true;
  if (/logit|score|prob|class|label/i.test(vector.name)) return false;
  // One text in, one flat vector of fixed length out.
  const required = tensors.inputs.filter((input) => !input.optional);
  const length = vector.shape.at(-1) ?? -1;
  return tensors.outputs.length === 1 && required.length === 1 && length >= 8 && vector.shape.length <= 2;
}

const has = (tensors: ModelTensors, ...names: string[]) =>
  names.some((name) => named(tensors.inputs, name) !== undefined);

/** Tensors to assume for a declared shape when the server does not describe the model. */
function assumed(name: string, datatype: DataTypeName): TensorSpec {
  return { name, datatype, shape: [-1], optional: false };
}

/**
 * Recognises how a model is used from its tensors and configuration. What the
 * operator declares wins; a declaration that the tensors contradict is told as
 * the reason for `raw`.
 */
export function shapeOf(tensors: ModelTensors, settings: ModelSettings): Shape {
  const declared = settings.shape;
  if (declared === 'raw') return { kind: 'raw', why: 'declared in the configuration' };
  const described = tensors.inputs.length > 0;
  const text = described
    ? textOf(tensors, settings)
    : assumed(settings.tensors['text_input'] ?? 'text_input', 'BYTES');
  if (!described && declared === undefined) {
    return {
      kind: 'raw',
      why: 'the server does not describe its tensors; declare `shape` in the configuration',
    };
  }
  if (text === undefined) return { kind: 'raw', why: 'it has no text input (BYTES)' };

  if (declared === undefined || declared === 'embedding') {
    const vector =
      tensors.outputs.length > 0
        ? vectorOf(tensors, settings)
        : assumed(settings.tensors['embedding'] ?? 'embedding', 'FP32');
    if (vector !== undefined && (declared === 'embedding' || saysEmbedding(tensors, vector))) {
      return { kind: 'embedding', text, vector };
    }
    if (declared === 'embedding')
      return { kind: 'raw', why: 'it is declared an embedding model and has no vector output' };
  }
  const outputs = tensors.outputs.filter(isBytes);
  const answer =
    tensors.outputs.length > 0
      ? pick(outputs, settings.tensors['text_output'], answerNames)
      : assumed(settings.tensors['text_output'] ?? 'text_output', 'BYTES');
  if (answer === undefined) return { kind: 'raw', why: 'it has no text output (BYTES)' };
  if (declared !== undefined) return { kind: declared, text, answer };
  if (has(tensors, 'sampling_parameters')) return { kind: 'vllm', text, answer };
  const required = tensors.inputs.filter((input) => !input.optional && input !== text);
  if (
    has(tensors, 'max_tokens', 'sampling_param_max_tokens') &&
    has(tensors, 'bad_words', 'stop_words', 'end_id', 'beam_width', 'sampling_param_beam_width')
  ) {
    return { kind: 'tensorrt-llm', text, answer };
  }
  const strange = required.find(
    (input) => !/token|temperature|top_|seed|penalty|stop|stream|length/i.test(input.name),
  );
  if (strange !== undefined)
    return { kind: 'raw', why: `it requires the input ${JSON.stringify(strange.name)}` };
  return { kind: 'text', text, answer };
}
