import { readFileSync } from 'node:fs';
import { PluginError, pluginService, type AnyPluginService, type CallContext } from '@outrigger/sdk-plugin';
import type { Catalog } from './catalog/catalog.js';
import type { ModelDescription } from './catalog/description.js';
import type { TritonConfig } from './config.js';
import {
  TensorsDefinition,
  type Answer,
  type DescribeRequest,
  type DescribeResponse,
  type InferRequest,
  type InferResponse,
  type ParameterValue,
  type Tensor,
} from './gen/outrigger/triton/v1/tensors.js';
import { answersOf, inferenceWait, uniqueId } from './generate/generate.js';
import { shapeFor } from './generate/inputs.js';
import type { ParameterScalar } from './server/endpoint.js';
import {
  MalformedTensor,
  countOf,
  encodeRaw,
  isDataType,
  kindOf,
  valuesOf,
  type DataTypeName,
  type InputTensor,
  type OutputTensor,
  type TensorValues,
} from './server/tensor.js';
import { invalid } from './unsupported.js';

/** Most answers that are gathered for one request, and about the most bytes. */
const mostAnswers = 10_000;
const mostBytes = 64 * 1024 * 1024;

const lists = ['booleans', 'integers', 'unsignedIntegers', 'numbers', 'texts', 'blobs'] as const;
type List = (typeof lists)[number];

const wireNames: Readonly<Record<List, string>> = {
  booleans: 'booleans',
  integers: 'integers',
  unsignedIntegers: 'unsigned_integers',
  numbers: 'numbers',
  texts: 'texts',
  blobs: 'blobs',
};

/** The lists that may hold the values of an element type. Whole numbers are taken for floating-point tensors too. */
function listsFor(datatype: DataTypeName): readonly List[] {
  switch (kindOf(datatype)) {
    case 'boolean':
      return ['booleans'];
    case 'float':
      return ['numbers', 'integers'];
    case 'bytes':
      return ['texts', 'blobs'];
    case 'number':
      return ['integers'];
    case 'bigint':
      return datatype === 'UINT64' ? ['unsignedIntegers', 'integers'] : ['integers'];
  }
}

function inputValues(tensor: Tensor, datatype: DataTypeName, field: string): TensorValues {
  const used = lists.filter((list) => tensor[list].length > 0);
  const allowed = listsFor(datatype);
  const [list, second] = used;
  if (second !== undefined)
    throw invalid(field, `has values in ${used.map((one) => wireNames[one]).join(' and ')}; use one list`);
  if (list === undefined) return [];
  if (!allowed.includes(list))
    throw invalid(
      `${field}.${wireNames[list]}`,
      `values of ${datatype} belong in ${allowed.map((one) => wireNames[one]).join(' or ')}`,
    );
  switch (kindOf(datatype)) {
    case 'boolean':
      return tensor.booleans;
    case 'bytes':
      return list === 'blobs' ? tensor.blobs : tensor.texts.map((text) => Buffer.from(text, 'utf8'));
    case 'float':
      return list === 'numbers' ? tensor.numbers : tensor.integers.map(Number);
    case 'number':
      return tensor.integers.map(Number);
    case 'bigint':
      return list === 'integers' ? tensor.integers : tensor.unsignedIntegers;
  }
}

/** An input as the model wants it. Throws INVALID_REQUEST that names what is wrong. */
export function inputOf(tensor: Tensor, description: ModelDescription, index: number): InputTensor {
  const field = `inputs[${index}]`;
  const spec = description.inputs.find((input) => input.name === tensor.name);
  if (spec === undefined && description.inputs.length > 0) {
    throw invalid(
      `${field}.name`,
      `the model has no input ${JSON.stringify(tensor.name)}; it has ${description.inputs.map((input) => input.name).join(', ')}`,
    );
  }
  const datatype = (tensor.datatype === '' ? spec?.datatype : tensor.datatype.toUpperCase()) ?? '';
  if (!isDataType(datatype))
    throw invalid(
      `${field}.datatype`,
      datatype === '' ? 'the model does not tell it; give it' : `${datatype} is not an element type`,
    );
  const values = inputValues(tensor, datatype, field);
  const given = tensor.shape.map(Number);
  const shape = given.length > 0 ? given : (shapeFor(spec?.shape ?? [-1], values.length) ?? []);
  if (given.length === 0 && spec !== undefined && shape.length === 0 && spec.shape.length > 0) {
    throw invalid(
      `${field}.shape`,
      `${values.length} values do not fit [${spec.shape.join(', ')}]; give the shape`,
    );
  }
  if (shape.some((size) => size < 0)) throw invalid(`${field}.shape`, 'sizes must not be negative');
  if (countOf(shape) !== values.length)
    throw invalid(field, `has ${values.length} values for shape [${shape.join(', ')}]`);
  try {
    encodeRaw(datatype, values);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE')
      throw invalid(field, `a value is out of the range of ${datatype}`);
    throw error;
  }
  return { name: tensor.name, datatype, shape, values };
}

function isText(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes);
}

/** An output for JSON: text where it is text, else base64. */
export function tensorOf(output: OutputTensor): Tensor {
  const values = valuesOf(output);
  const tensor: Tensor = {
    name: output.name,
    datatype: output.datatype,
    shape: output.shape.map(BigInt),
    booleans: [],
    integers: [],
    unsignedIntegers: [],
    numbers: [],
    texts: [],
    blobs: [],
  };
  switch (kindOf(output.datatype as DataTypeName)) {
    case 'boolean':
      return { ...tensor, booleans: values as boolean[] };
    case 'float':
      return { ...tensor, numbers: values as number[] };
    case 'number':
      return { ...tensor, integers: (values as readonly number[]).map(BigInt) };
    case 'bigint':
      return output.datatype === 'UINT64'
        ? { ...tensor, unsignedIntegers: values as bigint[] }
        : { ...tensor, integers: values as bigint[] };
    case 'bytes': {
      const bytes = values as readonly Buffer[];
      if (bytes.every(isText)) return { ...tensor, texts: bytes.map((one) => one.toString('utf8')) };
      return { ...tensor, blobs: [...bytes] };
    }
  }
}

function parametersOf(parameters: Readonly<Record<string, ParameterValue>>): Record<string, ParameterScalar> {
  const scalars: Record<string, ParameterScalar> = {};
  for (const [name, { value }] of Object.entries(parameters)) {
    if (value === undefined) throw invalid(`parameters.${name}`, 'has no value');
    if (name.startsWith('triton_'))
      throw invalid(`parameters.${name}`, 'names beginning with "triton_" belong to the server');
    scalars[name] = value.value;
  }
  return scalars;
}

async function infer(
  catalog: Catalog,
  config: TritonConfig,
  request: InferRequest,
  context: CallContext,
): Promise<InferResponse> {
  if (request.model === '') throw invalid('model', 'name the model');
  const model = await catalog.open(request.model, context.signal);
  const { place, description } = model;
  const inference = {
    model: place.name,
    version: place.settings.version ?? '',
    id: uniqueId(context),
    inputs: request.inputs.map((tensor, index) => inputOf(tensor, description, index)),
    outputs: request.outputs,
    parameters: parametersOf(request.parameters),
  };
  const answers: Answer[] = [];
  let version = '';
  let bytes = 0;
  try {
    for await (const list of answersOf(
      catalog,
      model,
      inference,
      undefined,
      inferenceWait(context, config),
    )) {
      for (const answer of list) {
        version = answer.version;
        bytes += answer.outputs.reduce((sum, output) => sum + (output.raw?.length ?? 0), 0);
        answers.push({ outputs: answer.outputs.map(tensorOf) });
      }
      if (answers.length > mostAnswers || bytes > mostBytes) {
        throw new PluginError(
          'MESSAGE_TOO_LARGE',
          `the model answers more than ${mostAnswers} times or ${mostBytes} bytes; ask for less`,
        );
      }
    }
  } catch (error) {
    if (error instanceof MalformedTensor)
      throw new PluginError('UPSTREAM_ERROR', error.message, { cause: error });
    throw await catalog.explain(place, error, context.signal);
  }
  catalog.worked(place);
  return { model: place.id, version, answers };
}

async function describe(
  catalog: Catalog,
  request: DescribeRequest,
  context: CallContext,
): Promise<DescribeResponse> {
  if (request.model === '') throw invalid('model', 'name the model');
  const place = await catalog.place(request.model, context.signal);
  const { description } = await catalog.describe(place, context.signal);
  const specs = (tensors: ModelDescription['inputs']) =>
    tensors.map((spec) => ({ ...spec, shape: spec.shape.map(BigInt) }));
  return {
    model: place.id,
    versions: [...description.versions],
    platform: description.platform,
    inputs: specs(description.inputs),
    outputs: specs(description.outputs),
    maxBatchSize: description.maxBatchSize ?? 0,
    manyAnswers: description.decoupled ?? false,
    kind: description.shape.kind,
  };
}

/** The plugin's own service: any model by its raw tensors. */
export function tensorsService(current: () => { catalog: Catalog; config: TritonConfig }): AnyPluginService {
  return pluginService({
    definition: TensorsDefinition,
    descriptorSet: readFileSync(new URL('../descriptor.binpb', import.meta.url)),
    handlers: {
      infer: (request, context) => {
        const { catalog, config } = current();
        return infer(catalog, config, request, context);
      },
      describe: (request, context) => describe(current().catalog, request, context),
    },
  });
}
