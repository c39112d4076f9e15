import { Model, ModelState_Phase, type ModelState } from '@outrigger/proto';
import type { LlamaCppConfig } from '../config.js';
import type { PoolPhase, PoolStatus } from '../engine-pool.js';
import type { CatalogModel } from '../model-catalog.js';
import { modelSettings, type EngineKind } from '../model-settings.js';

const PHASES = {
  unloaded: ModelState_Phase.PHASE_UNLOADED,
  loading: ModelState_Phase.PHASE_LOADING,
  ready: ModelState_Phase.PHASE_READY,
  unloading: ModelState_Phase.PHASE_UNLOADING,
  failed: ModelState_Phase.PHASE_FAILED,
} as const satisfies Record<PoolPhase, ModelState_Phase>;

/** What a model is doing, in the contract's words. */
export function modelState({ phase, reason, expires }: PoolStatus): ModelState {
  return { phase: PHASES[phase], reason: reason ?? '', expires };
}

/** A model in the contract's words. */
export function describeModel(
  model: CatalogModel,
  config: LlamaCppConfig,
  engine: EngineKind,
  status: PoolStatus,
): Model {
  const { facts } = model;
  const { capabilities } = modelSettings(model, config, engine);
  return Model.create({
    id: model.id,
    displayName: facts.name ?? model.id,
    created: model.modified,
    capabilities: {
      chat: capabilities.chat,
      completion: capabilities.completion,
      embedding: capabilities.embedding,
      tools: capabilities.tools,
      structuredOutput: capabilities.structuredOutput,
      reasoning: capabilities.reasoning,
      logprobs: capabilities.logprobs,
      infill: false,
    },
    contextLength: facts.contextLength,
    contextLengthLoaded: status.engine?.contextLength,
    embeddingDimensions: capabilities.embedding ? facts.embeddingLength : undefined,
    weights: {
      family: facts.architecture,
      format: 'gguf',
      quantization: facts.quantization ?? '',
      parameters: BigInt(facts.parameterCount),
      sizeBytes: BigInt(facts.sizeBytes),
    },
    state: modelState(status),
    extensions: { engine: JSON.stringify(engine) },
  });
}
