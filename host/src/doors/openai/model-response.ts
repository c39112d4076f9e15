import type { ModelEntry } from '../../router/inference.js';

/** A model as OpenAI lists it, with what OpenAI has no field for under `outrigger`. */
export function openaiModel(entry: ModelEntry): object {
  const { id, names, plugin, model } = entry;
  const context = model.contextLengthLoaded ?? model.contextLength;
  return {
    id,
    object: 'model',
    created: model.created === undefined ? 0 : Math.floor(model.created.getTime() / 1000),
    owned_by: model.owner === '' ? plugin : model.owner,
    outrigger: { plugin, names, ...(context === undefined ? {} : { context_length: context }) },
  };
}
