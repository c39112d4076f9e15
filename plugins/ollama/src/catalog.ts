import { Modality, Model, ModelCapabilities, ModelState, ModelState_Phase, Weights } from '@outrigger/proto';
import { modelNotFound } from '@outrigger/sdk-plugin';
import { fullName } from './model-name.js';
import type { OllamaClient } from './ollama-client.js';
import type { ThinkingAbility } from './thinking.js';
import type { WireDetails, WireLoaded, WireShow, WireTag } from './ollama-wire.js';

/** Most details of models that are kept. */
const mostDetails = 512;
/** Requests for details under way at once. */
const detailsAtOnce = 4;
/** How long what a model can do is believed, in milliseconds. */
const abilityAgeMs = 60_000;

/** The models of one Ollama. Details are kept by the digest of the model. */
export class Catalog {
  readonly #client: OllamaClient;
  readonly #timeoutMs: number;
  readonly #details = new Map<string, WireShow>();
  readonly #abilities = new Map<string, { ability: ThinkingAbility; until: number }>();

  constructor(client: OllamaClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  /** All models, asked afresh. Rejects as OllamaClient.json. */
  async list(signal: AbortSignal): Promise<Model[]> {
    const bounded = this.#bounded(signal);
    const [{ models: tags = [] }, loaded] = await Promise.all([
      this.#client.json<{ models?: WireTag[] }>({ method: 'GET', path: '/api/tags', signal: bounded }),
      this.loaded(bounded),
    ]);
    const models: Model[] = [];
    for (let at = 0; at < tags.length; at += detailsAtOnce) {
      const some = tags.slice(at, at + detailsAtOnce);
      models.push(...(await Promise.all(some.map((tag) => this.#model(tag, loaded, signal)))));
    }
    return models.filter(({ id }) => id !== '');
  }

  /** One model by its id or a shorter spelling. Throws MODEL_NOT_FOUND. */
  async get(id: string, signal: AbortSignal): Promise<Model> {
    const models = await this.list(signal);
    const found =
      models.find((model) => model.id === id) ?? models.find(({ aliases }) => aliases.includes(id));
    if (found === undefined) throw modelNotFound(id);
    return found;
  }

  /** What is in memory, by the name that /api/tags uses. */
  async loaded(signal: AbortSignal): Promise<ReadonlyMap<string, WireLoaded>> {
    const { models = [] } = await this.#client.json<{ models?: WireLoaded[] }>({
      method: 'GET',
      path: '/api/ps',
      signal: this.#bounded(signal),
    });
    return new Map(models.map((model) => [model.name ?? model.model ?? '', model]));
  }

  /** How a model reasons; undefined when that cannot be found out. Asked at most once a minute. */
  async thinking(model: string, signal: AbortSignal): Promise<ThinkingAbility | undefined> {
    const known = this.#abilities.get(fullName(model));
    if (known !== undefined && known.until > Date.now()) return known.ability;
    let show: WireShow;
    try {
      show = await this.#show(model, signal);
    } catch {
      // The request itself will say what is wrong, better than this could.
      signal.throwIfAborted();
      return undefined;
    }
    if (show.capabilities === undefined) return undefined;
    const ability = { thinks: show.capabilities.includes('thinking'), values: show.thinking?.values };
    remember(this.#abilities, fullName(model), { ability, until: Date.now() + abilityAgeMs });
    return ability;
  }

  /** Forgets what it knows of a model that was pulled anew or deleted. */
  forget(model: string): void {
    this.#abilities.delete(fullName(model));
  }

  async #model(tag: WireTag, loaded: ReadonlyMap<string, WireLoaded>, signal: AbortSignal): Promise<Model> {
    const id = tag.name ?? tag.model ?? '';
    // A recent Ollama says all in the list; an older one has to be asked for each model.
    const complete = tag.capabilities !== undefined && tag.details?.context_length !== undefined;
    const show =
      complete || tag.remote_host !== undefined ? undefined : await this.#detailsOf(tag, id, signal);
    return modelOf(id, tag, show, loaded.get(id));
  }

  async #detailsOf(tag: WireTag, id: string, signal: AbortSignal): Promise<WireShow | undefined> {
    const key = tag.digest ?? id;
    const kept = this.#details.get(key);
    if (kept !== undefined) return kept;
    try {
      const show = await this.#show(id, signal);
      remember(this.#details, key, show);
      return show;
    } catch {
      // One model that cannot be described must not hide the others; its details stay unknown.
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #show(model: string, signal: AbortSignal): Promise<WireShow> {
    const body = JSON.stringify({ model });
    return this.#client.json<WireShow>({ path: '/api/show', body, signal: this.#bounded(signal) });
  }

  #bounded(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= mostDetails) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** A model as the contract has it. What Ollama does not say stays unset. */
export function modelOf(
  id: string,
  tag: WireTag,
  show: WireShow | undefined,
  loaded: WireLoaded | undefined,
): Model {
  const details: WireDetails = { ...tag.details, ...show?.details };
  const info = show?.model_info;
  const remote = tag.remote_host ?? show?.remote_host;
  const extensions: Record<string, string> = {};
  if (remote !== undefined) {
    extensions['ollama.remote_host'] = JSON.stringify(remote);
    extensions['ollama.remote_model'] = JSON.stringify(tag.remote_model ?? show?.remote_model ?? '');
  }
  if (loaded?.size_vram !== undefined) extensions['ollama.size_vram'] = String(loaded.size_vram);
  if (loaded?.size !== undefined) extensions['ollama.size_loaded'] = String(loaded.size);
  return Model.create({
    id,
    displayName: remote === undefined ? '' : `${id} (cloud)`,
    aliases: id.endsWith(':latest') ? [id.slice(0, -':latest'.length)] : [],
    digest:
      tag.digest === undefined || tag.digest === '' ? '' : `sha256:${tag.digest.replace(/^sha256:/, '')}`,
    created: dateOf(tag.modified_at),
    capabilities: capabilitiesOf(tag.capabilities ?? show?.capabilities),
    contextLength: details.context_length ?? infoNumber(info, '.context_length'),
    contextLengthLoaded: loaded?.context_length,
    embeddingDimensions: details.embedding_length ?? infoNumber(info, '.embedding_length'),
    weights: Weights.create({
      family: details.family ?? '',
      format: details.format ?? '',
      quantization: details.quantization_level ?? '',
      parameters: parametersOf(details.parameter_size, infoNumber(info, 'general.parameter_count')),
      // A cloud stub's size is that of the stub.
      sizeBytes: remote === undefined && tag.size !== undefined ? BigInt(Math.trunc(tag.size)) : undefined,
    }),
    state: stateOf(remote, loaded),
    extensions,
  });
}

/** The state of a model, from what /api/ps says of it. */
export function stateOf(remote: string | undefined, loaded: WireLoaded | undefined): ModelState {
  if (remote !== undefined) {
    return ModelState.create({ reason: `runs at ${remote}, not on this machine` });
  }
  if (loaded === undefined) return ModelState.create({ phase: ModelState_Phase.PHASE_UNLOADED });
  return ModelState.create({ phase: ModelState_Phase.PHASE_READY, expires: dateOf(loaded.expires_at) });
}

function capabilitiesOf(names: readonly string[] | undefined): ModelCapabilities | undefined {
  if (names === undefined) return undefined;
  const completion = names.includes('completion');
  return ModelCapabilities.create({
    chat: completion,
    completion,
    embedding: names.includes('embedding'),
    tools: completion && names.includes('tools'),
    structuredOutput: completion,
    reasoning: names.includes('thinking'),
    logprobs: completion,
    infill: names.includes('insert'),
    inputModalities: [
      ...(names.includes('vision') ? [Modality.MODALITY_IMAGE] : []),
      ...(names.includes('audio') ? [Modality.MODALITY_AUDIO] : []),
    ],
  });
}

/** The number under a key that ends so; architectures put their name before it. */
function infoNumber(info: Readonly<Record<string, unknown>> | undefined, ending: string): number | undefined {
  if (info === undefined) return undefined;
  const architecture = info['general.architecture'];
  const exact = ending.startsWith('.') && typeof architecture === 'string' ? architecture + ending : ending;
  const value = info[exact];
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

const scales: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, B: 1e9, T: 1e12 };

function parametersOf(size: string | undefined, count: number | undefined): bigint | undefined {
  if (count !== undefined) return BigInt(Math.trunc(count));
  const [, number, unit = ''] = /^([\d.]+)\s*([KMBT]?)$/i.exec(size ?? '') ?? [];
  const value = Number(number) * (scales[unit.toUpperCase()] ?? Number.NaN);
  return Number.isFinite(value) ? BigInt(Math.round(value)) : undefined;
}

/** Undefined for what is no date, and for the far future by which Ollama means never. */
function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '');
  const year = date.getUTCFullYear();
  return Number.isNaN(year) || year < 1971 || year > 2200 ? undefined : date;
}
