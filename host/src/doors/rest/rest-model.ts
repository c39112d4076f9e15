import {
  ModelState_Phase,
  type LoadModelResponse,
  type Model,
  type PullModelResponse,
} from '@outrigger/proto';
import type { ModelEntry } from '../../router/inference.js';

const phases: Readonly<Record<number, string>> = {
  [ModelState_Phase.PHASE_UNLOADED]: 'unloaded',
  [ModelState_Phase.PHASE_LOADING]: 'loading',
  [ModelState_Phase.PHASE_READY]: 'ready',
  [ModelState_Phase.PHASE_UNLOADING]: 'unloading',
  [ModelState_Phase.PHASE_DOWNLOADING]: 'downloading',
  [ModelState_Phase.PHASE_FAILED]: 'failed',
};

const modalities: readonly string[] = ['unknown', 'image', 'audio', 'video', 'document'];

/** A model with all that is known about it. What is unknown is left out, which is not the same as no. */
export function restModel(entry: ModelEntry): object {
  const { id, names, plugin, pluginVersion, model } = entry;
  return prune({
    id,
    names,
    plugin,
    plugin_version: pluginVersion,
    display_name: model.displayName,
    owner: model.owner,
    digest: model.digest,
    created: model.created?.toISOString(),
    preferred: model.preferred || undefined,
    capabilities: capabilities(model),
    context_length: model.contextLength,
    context_length_loaded: model.contextLengthLoaded,
    max_output_tokens: model.maxOutputTokens,
    embedding_dimensions: model.embeddingDimensions,
    weights: weights(model),
    state: state(model.state),
    extensions: extensions(model),
  });
}

/** How far loading has come. */
export function loadProgress(response: LoadModelResponse): object {
  return prune({ state: state(response.state), fraction: response.fraction });
}

/** How far fetching has come. */
export function pullProgress(response: PullModelResponse): object {
  const { status, totalBytes, completedBytes, model } = response;
  return prune({
    status,
    model,
    total_bytes: number(totalBytes),
    completed_bytes: number(completedBytes),
  });
}

function capabilities({ capabilities: can }: Model): object | undefined {
  if (can === undefined) return undefined;
  return prune({
    chat: can.chat,
    completion: can.completion,
    embedding: can.embedding,
    tools: can.tools,
    structured_output: can.structuredOutput,
    reasoning: can.reasoning,
    logprobs: can.logprobs,
    infill: can.infill,
    input_modalities: can.inputModalities.map((one) => modalities[one] ?? 'unknown'),
  });
}

function weights({ weights: have }: Model): object | undefined {
  if (have === undefined) return undefined;
  return prune({
    family: have.family,
    format: have.format,
    quantization: have.quantization,
    parameters: number(have.parameters),
    size_bytes: number(have.sizeBytes),
  });
}

function state(now: Model['state']): object | undefined {
  if (now === undefined) return undefined;
  return prune({
    phase: phases[now.phase] ?? 'unknown',
    reason: now.reason,
    expires: now.expires?.toISOString(),
  });
}

/** JSON text inside becomes JSON; what is not JSON stays text. */
function extensions({ extensions: have }: Model): object | undefined {
  const entries = Object.entries(have).map(([name, text]) => {
    try {
      return [name, JSON.parse(text) as unknown];
    } catch {
      return [name, text];
    }
  });
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as object);
}

function number(value: bigint | number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function prune(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''),
  );
}
