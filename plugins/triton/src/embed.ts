import { EmbedResponse, type EmbedRequest, type Embedding } from '@outrigger/proto';
import { PluginError, type CallContext } from '@outrigger/sdk-plugin';
import { mapBounded } from './bounded.js';
import type { Catalog } from './catalog/catalog.js';
import type { DescribedModel } from './catalog/description.js';
import { dimensionsOf } from './catalog/model.js';
import type { Shape } from './catalog/shape.js';
import type { TritonConfig } from './config.js';
import { estimateTokens } from './generate/answer.js';
import { inferenceWait, uniqueId } from './generate/generate.js';
import { InputSet } from './generate/inputs.js';
import type { Wait } from './server/connection.js';
import { MalformedTensor, float32Of } from './server/tensor.js';
import { Unsupported, invalid } from './unsupported.js';

type EmbeddingShape = Extract<Shape, { kind: 'embedding' }>;

/** Batches on their way at once; the server merges or queues them. */
const batchesAtOnce = 8;
/** Batch for models that have an open dimension and no limit of their own. */
const openBatch = 64;

function textsOf(request: EmbedRequest): string[] {
  if (request.inputs.length === 0) throw invalid('inputs', 'give at least one');
  return request.inputs.map((input, index) => {
    if (input.kind?.$case === 'text') return input.kind.value;
    const description = 'the model reads text and not token ids';
    throw new PluginError('UNSUPPORTED_PARAMETER', `inputs[${index}]: ${description}`, {
      fields: [{ field: `inputs[${index}]`, description }],
    });
  });
}

/** How many texts go into one request. */
function batchSize(model: DescribedModel, shape: EmbeddingShape): number {
  const { maxBatchSize } = model.description;
  if (maxBatchSize !== undefined && maxBatchSize > 0) return maxBatchSize;
  // Without a batch dimension an open dimension of texts and one of vectors do the same.
  const open = shape.text.shape.length > 0 && shape.text.shape[0] === -1 && shape.vector.shape.length === 2;
  return open ? openBatch : 1;
}

async function embedBatch(
  model: DescribedModel,
  shape: EmbeddingShape,
  texts: readonly string[],
  context: CallContext,
  wait: Wait,
): Promise<Embedding[]> {
  const { place, description } = model;
  const inputs = new InputSet(description);
  // A batch goes into the first dimension, whatever the others are.
  const [, ...rest] = shape.text.shape;
  const batched = texts.length > 1 || shape.text.shape[0] === -1;
  const spec = batched
    ? { ...shape.text, shape: [texts.length, ...rest.map((size) => (size < 0 ? 1 : size))] }
    : shape.text;
  if (!inputs.set(spec, texts))
    throw new PluginError('UNSUPPORTED_OPERATION', `input ${shape.text.name} of the model cannot take texts`);
  const missing = inputs.missing[0];
  if (missing !== undefined)
    throw new PluginError(
      'UNSUPPORTED_OPERATION',
      `the model requires the input ${missing.name}; use its raw tensors`,
    );
  const answer = await place.endpoint.infer(
    {
      model: place.name,
      version: place.settings.version ?? '',
      id: uniqueId(context),
      inputs: inputs.tensors,
      outputs: description.outputs.length > 0 ? [shape.vector.name] : [],
      parameters: {},
    },
    wait,
  );
  const output =
    answer.outputs.find((candidate) => candidate.name === shape.vector.name) ?? answer.outputs[0];
  if (output === undefined)
    throw new PluginError('UPSTREAM_ERROR', `the model answered without the output ${shape.vector.name}`);
  const bytes = float32Of(output);
  const length = bytes.length / texts.length;
  const leading = output.shape[0] ?? 1;
  if (length === 0 || length % 4 !== 0 || (texts.length > 1 && leading !== texts.length)) {
    throw new PluginError(
      'UPSTREAM_ERROR',
      `the model answered ${texts.length} texts with a tensor of shape [${output.shape.join(', ')}]`,
    );
  }
  // More than one vector per text, for example one per token, is not an embedding of the text.
  const perText = output.shape.length - (texts.length > 1 || leading === 1 ? 1 : 0);
  if (perText > 1 && output.shape.slice(1, -1).some((size) => size !== 1)) {
    throw new PluginError(
      'UNSUPPORTED_OPERATION',
      'the model answers with several vectors per text; use its raw tensors',
    );
  }
  return texts.map((_, index) => ({
    data: bytes.subarray(index * length, (index + 1) * length),
    truncated: false,
  }));
}

/** Embeds texts in batches as large as the model takes, several on their way at once. */
export async function embed(
  catalog: Catalog,
  config: TritonConfig,
  request: EmbedRequest,
  context: CallContext,
): Promise<EmbedResponse> {
  const model = await catalog.open(request.model, context.signal);
  const { shape } = model.description;
  if (shape.kind !== 'embedding') {
    throw new PluginError('UNSUPPORTED_OPERATION', `model ${JSON.stringify(model.place.id)} does not embed`);
  }
  const texts = textsOf(request);
  const unsupported = new Unsupported(request.context?.unsupported);
  if (request.dimensions !== undefined && request.dimensions !== dimensionsOf(model.description)) {
    unsupported.note('dimensions', 'the length of the vectors cannot be chosen');
  }
  if (request.truncate !== undefined)
    unsupported.note('truncate', 'the model does as it does with inputs that are too long');
  unsupported.check();

  const size = batchSize(model, shape);
  const batches: string[][] = [];
  for (let at = 0; at < texts.length; at += size) batches.push(texts.slice(at, at + size));
  // A batch that fails ends the others.
  const others = new AbortController();
  const wait = inferenceWait(context, config);
  const shared = { ...wait, signal: AbortSignal.any([wait.signal, others.signal]) };
  try {
    const embeddings = await mapBounded(batches, batchesAtOnce, (batch) =>
      embedBatch(model, shape, batch, context, shared),
    );
    catalog.worked(model.place);
    const inputTokens = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
    return EmbedResponse.create({
      embeddings: embeddings.flat(),
      model: model.place.id,
      usage: { inputTokens, estimated: true },
      warnings: unsupported.warnings,
    });
  } catch (error) {
    if (error instanceof MalformedTensor)
      throw new PluginError('UPSTREAM_ERROR', error.message, { cause: error });
    throw await catalog.explain(model.place, error, context.signal);
  } finally {
    others.abort();
  }
}
