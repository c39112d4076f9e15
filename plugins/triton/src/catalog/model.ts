import { Model, ModelState_Phase, type ModelState } from '@outrigger/proto';
import { templateNameOf } from '../generate/templates.js';
import type { TritonConfig } from '../config.js';
import type { ModelDescription, ModelPlace } from './description.js';

/** Length of an embedding model's vectors, when it is fixed. */
export function dimensionsOf(description: ModelDescription): number | undefined {
  if (description.shape.kind !== 'embedding') return undefined;
  const length = description.shape.vector.shape.at(-1);
  return length !== undefined && length > 0 ? length : undefined;
}

/** A model for the list. What is not loaded cannot be asked, so its abilities are unknown unless declared. */
export function modelOf(
  place: ModelPlace,
  state: ModelState,
  description: ModelDescription | undefined,
  config: TritonConfig,
): Model {
  const { settings, endpoint } = place;
  const kind = description?.shape.kind ?? settings.shape;
  const generates = kind === undefined ? undefined : kind !== 'embedding' && kind !== 'raw';
  const extensions: Record<string, string> = { endpoint: JSON.stringify(endpoint.name) };
  const note = (key: string, value: unknown): void => {
    if (value !== undefined && value !== '') extensions[key] = JSON.stringify(value);
  };
  note('shape', kind);
  if (description !== undefined) {
    note('platform', description.platform);
    note('versions', description.versions);
    note('decoupled', description.decoupled);
    note('max_batch_size', description.maxBatchSize);
    if (description.shape.kind === 'raw') note('shape_reason', description.shape.why);
  }
  if (generates === true) note('chat_template', templateNameOf(settings, description, config));
  return Model.create({
    id: place.id,
    displayName: place.name,
    capabilities: {
      chat: generates,
      completion: generates,
      embedding: kind === undefined ? undefined : kind === 'embedding',
      tools: generates === true ? false : undefined,
      structuredOutput: generates === true ? kind === 'vllm' : undefined,
      inputModalities: [],
    },
    contextLength: settings.contextLength,
    maxOutputTokens: settings.maxOutputTokens,
    embeddingDimensions: description === undefined ? undefined : dimensionsOf(description),
    weights:
      description === undefined ? undefined : { family: '', format: description.platform, quantization: '' },
    state: state.phase === ModelState_Phase.PHASE_UNSPECIFIED && state.reason === '' ? undefined : state,
    extensions,
  });
}
