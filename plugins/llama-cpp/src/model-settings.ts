import type { LlamaCppConfig } from './config.js';
import type { EngineCapabilities } from './engine/engine.js';
import { defaultThreads } from './engine/server-arguments.js';
import type { CatalogModel } from './model-catalog.js';

export type EngineKind = 'llama-server' | 'embedded';

/** How one model is loaded. */
export interface ModelSettings {
  readonly contextLength: number;
  readonly slots: number;
  readonly threads: number;
  readonly pooling: 'mean' | 'cls' | 'last' | undefined;
  readonly extraArguments: readonly string[];
  readonly capabilities: EngineCapabilities;
}

/** What a caller of LoadModel may set for one load. */
export interface LoadOverrides {
  contextLength?: number | undefined;
  slots?: number | undefined;
  threads?: number | undefined;
}

const DEFAULT_SLOTS = 2;
/** Context of a model that does not tell what a token costs. */
const UNKNOWN_CONTEXT = 4_096;
/** Less is of no use, whatever the memory. */
const SMALLEST_CONTEXT = 2_048;

/** Decides how a model is loaded: the load request, else its own settings, else the plugin's, else from its file. */
export function modelSettings(
  model: CatalogModel,
  config: LlamaCppConfig,
  engine: EngineKind,
  overrides: LoadOverrides = {},
): ModelSettings {
  const own = config.models[model.id];
  const slots = overrides.slots ?? own?.slots ?? config.slots ?? DEFAULT_SLOTS;
  const pooling = poolingOf(model, own?.embeddings, engine);
  return {
    slots,
    pooling,
    contextLength:
      overrides.contextLength ??
      own?.contextLength ??
      config.contextLength ??
      fittingContext(model, slots, config.cacheBytes),
    threads: overrides.threads ?? own?.threads ?? config.threads ?? defaultThreads(),
    extraArguments: own?.arguments ?? config.arguments ?? [],
    capabilities: capabilitiesOf(model, engine, pooling !== undefined),
  };
}

/** As much context as the model was made for and the memory holds, in steps of 256 tokens. */
function fittingContext({ facts }: CatalogModel, slots: number, cacheBytes: number): number {
  const declared = facts.contextLength ?? UNKNOWN_CONTEXT;
  const cost = facts.cacheBytesPerToken;
  if (cost === undefined || cost === 0) return Math.min(declared, UNKNOWN_CONTEXT);
  const affordable = Math.floor(cacheBytes / (cost * slots) / 256) * 256;
  return Math.min(declared, Math.max(SMALLEST_CONTEXT, affordable));
}

/** A chat model without a declared pooling is loaded for embeddings only when asked: it costs it speed. */
function poolingOf(
  { facts }: CatalogModel,
  wanted: boolean | undefined,
  engine: EngineKind,
): ModelSettings['pooling'] {
  if (wanted === false) return undefined;
  const declared = facts.pooling;
  if (declared === 'mean' || declared === 'cls' || declared === 'last') return declared;
  if (declared === 'rank') return undefined;
  // The embedded library makes embeddings only as the file says.
  if (engine === 'embedded') return undefined;
  return wanted === true || facts.encoderOnly ? 'mean' : undefined;
}

/** What a model can do with an engine, told from its file. */
export function capabilitiesOf(
  { facts }: CatalogModel,
  engine: EngineKind,
  embedding: boolean,
): EngineCapabilities {
  const generates = !facts.encoderOnly && facts.pooling !== 'rank';
  const full = engine === 'llama-server';
  return {
    chat: generates,
    completion: generates,
    embedding,
    tools: generates && facts.tools,
    structuredOutput: generates,
    logprobs: generates && full,
    reasoning: generates && facts.reasoning,
    candidates: generates && full,
    vision: false,
  };
}
