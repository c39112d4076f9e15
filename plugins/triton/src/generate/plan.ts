import type { GenerateRequest } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import type { ModelDescription } from '../catalog/description.js';
import type { Shape } from '../catalog/shape.js';
import type { ModelSettings } from '../config.js';
import type { InputTensor } from '../server/tensor.js';
import { invalid, type Unsupported } from '../unsupported.js';
import { InputSet, type LooseValue } from './inputs.js';

/** A shape that generates text. */
export type TextShape = Extract<Shape, { answer: unknown }>;

/** What is asked of the model, and what is left for the plugin to do. */
export interface Plan {
  readonly inputs: readonly InputTensor[];
  /** Names of outputs that the model puts its count and reason into, where it has them. */
  readonly text: string;
}

/** What a plan is made of. */
export interface PlanSource {
  readonly request: GenerateRequest;
  readonly shape: TextShape;
  readonly description: ModelDescription;
  readonly settings: ModelSettings;
  readonly prompt: string;
  /** All sequences that end the answer. */
  readonly stop: readonly string[];
  /** The model should send what it has as soon as it has it. */
  readonly stream: boolean;
  readonly unsupported: Unsupported;
}

/** Reads a JSON object among the extensions. */
function objectOf(request: GenerateRequest, name: string): Record<string, unknown> {
  const text = Object.hasOwn(request.extensions, name) ? request.extensions[name] : undefined;
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Refused below.
  }
  throw invalid(name, 'must be a JSON object');
}

/** Says of the fields that no shape carries that they are left out. */
function noteBeyond(request: GenerateRequest, unsupported: Unsupported): void {
  const { sampling } = request;
  const text = 'the model takes and gives text alone';
  if (request.tools.length > 0) unsupported.note('tools', text);
  if (request.toolChoice !== undefined && request.tools.length === 0) unsupported.note('tool_choice', text);
  if (request.reasoning !== undefined) unsupported.note('reasoning_effort', text);
  if (request.suffix !== '') unsupported.note('suffix', 'the model cannot fill a gap');
  if ((sampling?.candidates ?? 1) > 1) unsupported.note('n', 'the model gives one answer');
  if (sampling?.topLogprobs !== undefined)
    unsupported.note('logprobs', 'the model does not tell probabilities');
  if (sampling?.typicalP !== undefined) unsupported.note('typical_p', 'the model does not know it');
  if (Object.keys(sampling?.logitBias ?? {}).length > 0)
    unsupported.note('logit_bias', 'the model does not know it');
}

/** The sampling parameters by their usual names. */
function samplingOf(request: GenerateRequest): [name: string, value: number | bigint][] {
  const { sampling } = request;
  const entries: [string, number | bigint | undefined][] = [
    ['temperature', sampling?.temperature],
    ['top_p', sampling?.topP],
    ['top_k', sampling?.topK],
    ['min_p', sampling?.minP],
    ['frequency_penalty', sampling?.frequencyPenalty],
    ['presence_penalty', sampling?.presencePenalty],
    ['repetition_penalty', sampling?.repetitionPenalty],
    ['seed', sampling?.seed],
  ];
  return entries.filter((entry): entry is [string, number | bigint] => entry[1] !== undefined);
}

/** JSON of flat settings; 64-bit seeds keep their digits. */
function jsonOf(entries: ReadonlyMap<string, unknown>): string {
  const fields = [...entries].map(
    ([key, value]) =>
      `${JSON.stringify(key)}:${typeof value === 'bigint' ? value.toString() : JSON.stringify(value)}`,
  );
  return `{${fields.join(',')}}`;
}

function schemaOf(request: GenerateRequest): unknown {
  const kind = request.outputFormat?.kind;
  if (kind?.$case !== 'jsonSchema') return undefined;
  try {
    return JSON.parse(kind.value.schemaJson) as unknown;
  } catch {
    throw invalid('output_format.json_schema', 'the schema is not valid JSON');
  }
}

function vllmInputs(source: PlanSource, inputs: InputSet): void {
  const { request, settings, stop } = source;
  const sampling = new Map<string, unknown>(samplingOf(request));
  const limit = request.sampling?.maxOutputTokens ?? settings.maxOutputTokens;
  if (limit !== undefined) sampling.set('max_tokens', limit);
  if (stop.length > 0) sampling.set('stop', stop);
  // The backend wants this one as JSON inside its JSON.
  const kind = request.outputFormat?.kind?.$case;
  if (kind === 'json') sampling.set('structured_outputs', JSON.stringify({ json_object: true }));
  if (kind === 'jsonSchema') sampling.set('structured_outputs', JSON.stringify({ json: schemaOf(request) }));
  for (const [key, value] of Object.entries(objectOf(request, 'sampling_parameters')))
    sampling.set(key, value);
  if (sampling.size > 0 && !inputs.offer(['sampling_parameters'], jsonOf(sampling))) {
    for (const name of sampling.keys())
      source.unsupported.note(name, 'the model has no input for sampling parameters');
  }
  // Unless told otherwise the backend repeats the prompt before an answer that is not streamed.
  const excludes = inputs.offer(['exclude_input_in_output'], true);
  inputs.offer(['stream'], source.stream || !excludes);
  for (const wanted of ['return_finish_reason', 'return_num_input_tokens', 'return_num_output_tokens'])
    inputs.offer([wanted], true);
}

const alternatives = (name: string): string[] => [name, `sampling_param_${name}`];
const limitNames = [
  ...alternatives('max_tokens'),
  'max_new_tokens',
  'max_output_tokens',
  'request_output_len',
];
const stopNames = ['stop_words', 'stop', 'stop_sequences', 'sampling_param_stop'];
const fallbackLimit = 1_024;

function boundInputs(source: PlanSource, inputs: InputSet): void {
  const { request, settings, stop, unsupported } = source;
  for (const [name, value] of samplingOf(request)) {
    const names = name === 'seed' ? [...alternatives(name), 'random_seed'] : alternatives(name);
    if (!inputs.offer(names, value)) unsupported.note(name, 'the model has no input for it');
  }
  const limit = request.sampling?.maxOutputTokens ?? settings.maxOutputTokens;
  const limitInput = inputs.find(limitNames);
  if (limitInput !== undefined && (limit !== undefined || !limitInput.optional))
    inputs.set(limitInput, [limit ?? fallbackLimit]);
  else if (request.sampling?.maxOutputTokens !== undefined)
    unsupported.note('max_tokens', 'the model has no input for it');
  // Where the model takes none, or not so many, the plugin ends the answer itself.
  if (stop.length > 0) inputs.offer(stopNames, ...stop);
  inputs.offer(['exclude_input_in_output', 'sampling_param_exclude_input_from_output'], true);
  inputs.offer(['stream', 'streaming'], source.stream);
  const format = request.outputFormat?.kind;
  if (format !== undefined) {
    const guide = inputs.find(['guided_decoding_guide']);
    const type = inputs.find(['guided_decoding_guide_type']);
    const schema = format.$case === 'jsonSchema' ? JSON.stringify(schemaOf(request)) : undefined;
    const can = type !== undefined && (schema === undefined || guide !== undefined);
    if (can) {
      inputs.set(type, [schema === undefined ? 'json' : 'json_schema']);
      if (schema !== undefined && guide !== undefined) inputs.set(guide, [schema]);
    } else unsupported.note('response_format', 'the model has no input for it');
  }
  if (Object.hasOwn(request.extensions, 'sampling_parameters')) {
    unsupported.note('sampling_parameters', 'the model takes no such object; use "inputs"');
  }
}

/** Turns a request into input tensors. Throws PluginErrors that name the field. */
export function planOf(source: PlanSource): Plan {
  const { request, shape, description, unsupported } = source;
  noteBeyond(request, unsupported);
  const inputs = new InputSet(description);
  if (!inputs.set(shape.text, [source.prompt])) {
    throw new PluginError(
      'UNSUPPORTED_OPERATION',
      `input ${shape.text.name} of the model cannot take one text`,
    );
  }
  if (shape.kind === 'vllm') vllmInputs(source, inputs);
  else boundInputs(source, inputs);
  inputs.setNamed(objectOf(request, 'inputs'), 'inputs');
  for (const spec of inputs.missing) {
    // Lists of words may be empty, which Triton writes as one empty word.
    const empty: LooseValue[] | undefined =
      /words/.test(spec.name) && spec.datatype === 'BYTES' ? [''] : undefined;
    if (empty === undefined || !inputs.set(spec, empty)) {
      throw invalid(
        'inputs',
        `the model requires ${spec.name} (${spec.datatype} [${spec.shape.join(', ')}]); give it here`,
      );
    }
  }
  return { inputs: inputs.tensors, text: shape.answer.name };
}
