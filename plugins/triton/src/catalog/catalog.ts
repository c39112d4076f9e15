import { ModelState_Phase, type ModelState } from '@outrigger/proto';
import { PluginError, modelNotFound } from '@outrigger/sdk-plugin';
import { noSettings, type ModelSettings, type TritonConfig } from '../config.js';
import { ServerError } from '../server/connection.js';
import { Endpoint, type IndexEntry } from '../server/endpoint.js';
import { failureOf } from '../server/failure.js';
import { Vigil } from '../generate/vigil.js';
import { describe, type DescribedModel, type ModelDescription, type ModelPlace } from './description.js';
import { stateOfModel } from './state.js';

/** How long a description is believed, in milliseconds: somebody else may load another configuration. */
const believed = 30_000;
const mostDescriptions = 4_096;
const crashReason = "the model's process has died; load the model again";

interface Known {
  readonly model: DescribedModel;
  readonly until: number;
}

/** A model as the repository knows it. */
export interface ListedModel {
  readonly place: ModelPlace;
  readonly state: ModelState;
}

/** The models of all endpoints: finds them, remembers how they are used, and says why one cannot be. */
export class Catalog {
  readonly endpoints: readonly Endpoint[];
  /** Ends streams that their server forgets. */
  readonly vigil: Vigil;
  readonly #config: TritonConfig;
  readonly #described = new Map<string, Known>();
  /** Models whose process died. Triton calls them ready all the same. */
  readonly #crashed = new Set<string>();
  /** Why models could not be loaded, for servers that do not remember it. */
  readonly #failedLoads = new Map<string, string>();

  constructor(config: TritonConfig) {
    this.#config = config;
    this.vigil = new Vigil(config.silenceProbeMs);
    this.endpoints = config.endpoints.map((settings) => new Endpoint(settings, config));
  }

  /** Closes the connections once what is open on them has ended. */
  close(): void {
    for (const endpoint of this.endpoints) endpoint.close();
  }

  /** A model that can be used, described. Throws PluginErrors. */
  async open(id: string, signal: AbortSignal): Promise<DescribedModel> {
    const known = this.#described.get(id);
    if (known !== undefined && known.until > Date.now()) return known.model;
    const place = await this.place(id, signal);
    return this.describe(place, signal);
  }

  /** The same for a place; asks the server. */
  async describe(place: ModelPlace, signal: AbortSignal): Promise<DescribedModel> {
    let description: ModelDescription;
    try {
      description = await describe(place, signal);
    } catch (error) {
      throw await this.explain(place, error, signal);
    }
    const model = { place, description };
    if (this.#described.size >= mostDescriptions) this.#described.clear();
    this.#described.set(place.id, { model, until: Date.now() + believed });
    return model;
  }

  /** Where a model would be. Only the endpoint is found out, not whether the model is there. */
  async place(id: string, signal: AbortSignal): Promise<ModelPlace> {
    const [only, second] = this.endpoints;
    if (only === undefined) throw modelNotFound(id);
    if (second === undefined) return this.#placeOn(only, id);
    const slash = id.indexOf('/');
    const named = this.endpoints.find((endpoint) => endpoint.name === id.slice(0, Math.max(slash, 0)));
    if (named !== undefined) return this.#placeOn(named, id.slice(slash + 1));
    // A bare name is an alias as long as one endpoint alone has such a model.
    const holders: Endpoint[] = [];
    for (const endpoint of this.endpoints) {
      const index = await this.index(endpoint, signal).catch(() => []);
      if (index.some((entry) => entry.name === id)) holders.push(endpoint);
    }
    const [holder, other] = holders;
    if (holder === undefined) throw modelNotFound(id);
    if (other === undefined) return this.#placeOn(holder, id);
    const ids = holders.map((endpoint) => JSON.stringify(`${endpoint.name}/${id}`)).join(' or ');
    throw new PluginError(
      'MODEL_NOT_FOUND',
      `several endpoints have a model ${JSON.stringify(id)}; ask for ${ids}`,
    );
  }

  #placeOn(endpoint: Endpoint, name: string): ModelPlace {
    const id = this.endpoints.length === 1 ? name : `${endpoint.name}/${name}`;
    return { id, endpoint, name, settings: this.#settings(endpoint, name) ?? noSettings };
  }

  #settings(endpoint: Endpoint, name: string): ModelSettings | undefined {
    const own = Object.hasOwn(endpoint.settings.models, name) ? endpoint.settings.models[name] : undefined;
    return own ?? (Object.hasOwn(this.#config.models, name) ? this.#config.models[name] : undefined);
  }

  /** The index of an endpoint; where servers have none, the models named in the configuration. Throws ServerError. */
  async index(endpoint: Endpoint, signal: AbortSignal): Promise<IndexEntry[]> {
    const index = await endpoint.index(signal);
    if (index !== undefined) return index;
    const names = new Set([...Object.keys(endpoint.settings.models), ...Object.keys(this.#config.models)]);
    return Promise.all(
      [...names].map(async (name): Promise<IndexEntry> => {
        const version = this.#settings(endpoint, name)?.version ?? '';
        const ready = await endpoint.ready(name, version, signal);
        return { name, version, state: ready ? 'READY' : 'UNAVAILABLE', reason: '' };
      }),
    );
  }

  /** All models of an endpoint with their states. Throws ServerError. */
  async list(endpoint: Endpoint, signal: AbortSignal): Promise<ListedModel[]> {
    const versions = new Map<string, IndexEntry[]>();
    for (const entry of await this.index(endpoint, signal)) {
      const entries = versions.get(entry.name) ?? [];
      entries.push(entry);
      versions.set(entry.name, entries);
    }
    return [...versions].map(([name, entries]) => {
      const place = this.#placeOn(endpoint, name);
      return { place, state: this.#corrected(place, stateOfModel(entries)) };
    });
  }

  /** What a model is doing; undefined when its server does not know it. Throws ServerError. */
  async state(place: ModelPlace, signal: AbortSignal): Promise<ModelState | undefined> {
    const index = await place.endpoint.index(signal);
    if (index === undefined) {
      const ready = await place.endpoint.ready(place.name, place.settings.version ?? '', signal);
      return ready
        ? stateOfModel([{ name: place.name, version: '', state: 'READY', reason: '' }])
        : undefined;
    }
    const entries = index.filter((entry) => entry.name === place.name);
    return entries.length === 0 ? undefined : this.#corrected(place, stateOfModel(entries));
  }

  #corrected(place: ModelPlace, state: ModelState | undefined): ModelState {
    const known = state ?? { phase: ModelState_Phase.PHASE_UNSPECIFIED, reason: '', expires: undefined };
    if (known.phase === ModelState_Phase.PHASE_READY && this.#crashed.has(place.id)) {
      return { ...known, phase: ModelState_Phase.PHASE_FAILED, reason: crashReason };
    }
    const failed = this.#failedLoads.get(place.id);
    if (known.phase === ModelState_Phase.PHASE_UNLOADED && failed !== undefined) {
      return { ...known, phase: ModelState_Phase.PHASE_FAILED, reason: failed };
    }
    return known;
  }

  /** A model could not be loaded. */
  loadFailed(place: ModelPlace, reason: string): void {
    if (this.#failedLoads.size >= mostDescriptions) this.#failedLoads.clear();
    this.#failedLoads.set(place.id, reason);
  }

  /** Forgets what was known of a model: it was or will be loaded anew. */
  forget(place: ModelPlace): void {
    this.#described.delete(place.id);
    this.#crashed.delete(place.id);
    this.#failedLoads.delete(place.id);
  }

  /** Its process is known to have died. */
  isCrashed(place: ModelPlace): boolean {
    return this.#crashed.has(place.id);
  }

  /** The model answered, so its process lives. */
  worked(place: ModelPlace): void {
    if (this.#crashed.size > 0) this.#crashed.delete(place.id);
  }

  /** Runs work on a model; its errors become PluginErrors that name the cause. */
  async attempt<Result>(
    place: ModelPlace,
    signal: AbortSignal,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      const result = await work();
      this.worked(place);
      return result;
    } catch (error) {
      throw await this.explain(place, error, signal);
    }
  }

  /** What an error means to the caller. Other errors than a server's are returned as they are. */
  async explain(place: ModelPlace, error: unknown, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof ServerError)) return error;
    // Whoever left wants no explanation; the SDK knows why it aborted.
    if (signal.aborted)
      return signal.reason instanceof Error
        ? signal.reason
        : new PluginError('CANCELLED', 'the caller has left');
    const failure = failureOf(error);
    if (failure.reason === 'absent') return this.#absence(place, failure.message, signal);
    // Whatever was believed of the model may be what was wrong.
    if (failure.reason !== 'UPSTREAM_UNAVAILABLE') this.#described.delete(place.id);
    if (failure.reason === 'MODEL_BROKEN') {
      this.#crashed.add(place.id);
      this.vigil.crashed(place.id);
    }
    const subject = this.endpoints.length > 1 ? `${place.endpoint.name}: ` : '';
    return new PluginError(failure.reason, `${subject}${failure.message}`, {
      cause: error,
      ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
    });
  }

  /** Why a server does not find a model: the index knows. */
  async #absence(place: ModelPlace, message: string, signal: AbortSignal): Promise<unknown> {
    this.#described.delete(place.id);
    const name = JSON.stringify(place.id);
    let state: ModelState | undefined;
    try {
      state = await this.state(place, signal);
    } catch (error) {
      return error instanceof ServerError && failureOf(error).reason === 'absent'
        ? modelNotFound(place.id)
        : this.explain(place, error, signal);
    }
    switch (state?.phase) {
      case undefined:
        return modelNotFound(place.id);
      case ModelState_Phase.PHASE_LOADING:
        return new PluginError('MODEL_LOADING', `model ${name} is being loaded`, { retryAfterMs: 1_000 });
      case ModelState_Phase.PHASE_UNLOADED:
        return new PluginError('MODEL_NOT_LOADED', `model ${name} is not loaded`);
      case ModelState_Phase.PHASE_UNLOADING:
        return new PluginError('MODEL_NOT_LOADED', `model ${name} is being unloaded`);
      case ModelState_Phase.PHASE_FAILED:
        return new PluginError('MODEL_BROKEN', `model ${name} cannot be used: ${state.reason}`);
      case ModelState_Phase.PHASE_READY:
        // It became ready since the server said no, unless a version was asked for that is not there.
        return place.settings.version === undefined
          ? new PluginError('MODEL_LOADING', `model ${name} has only just become ready`, {
              retryAfterMs: 100,
            })
          : new PluginError(
              'MODEL_NOT_FOUND',
              `model ${name} has no version ${JSON.stringify(place.settings.version)}`,
            );
      default:
        return new PluginError('MODEL_NOT_LOADED', `model ${name} cannot be used: ${message}`);
    }
  }
}
