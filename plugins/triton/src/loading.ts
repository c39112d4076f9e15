import {
  ModelState,
  ModelState_Phase,
  type LoadModelRequest,
  type LoadModelResponse,
  type Model,
} from '@outrigger/proto';
import { PluginError, modelNotFound, type CallContext } from '@outrigger/sdk-plugin';
import { mapBounded } from './bounded.js';
import type { Catalog, ListedModel } from './catalog/catalog.js';
import type { ModelPlace } from './catalog/description.js';
import { modelOf } from './catalog/model.js';
import type { TritonConfig } from './config.js';
import { ServerError } from './server/connection.js';
import { failureOf } from './server/failure.js';

const describedAtOnce = 8;

async function listed(
  catalog: Catalog,
  config: TritonConfig,
  entry: ListedModel,
  signal: AbortSignal,
): Promise<Model> {
  const { place, state } = entry;
  const ready = state.phase === ModelState_Phase.PHASE_READY;
  // One model that cannot be described does not hide the others.
  const model = ready ? await catalog.describe(place, signal).catch(() => undefined) : undefined;
  return modelOf(place, state, model?.description, config);
}

/** All models of all endpoints. One endpoint that is away does not hide the models of the others. */
export async function listModels(
  catalog: Catalog,
  config: TritonConfig,
  context: CallContext,
): Promise<Model[]> {
  let failure: unknown;
  const lists = await Promise.all(
    catalog.endpoints.map(async (endpoint) => {
      try {
        return await catalog.list(endpoint, context.signal);
      } catch (error) {
        context.log.warn('an endpoint does not tell its models', {
          endpoint: endpoint.name,
          error: String(error),
        });
        failure ??= error;
        return undefined;
      }
    }),
  );
  if (lists.every((list) => list === undefined) && failure !== undefined) throw plain(failure);
  const entries = lists.flatMap((list) => list ?? []);
  const models = await mapBounded(entries, describedAtOnce, (entry) =>
    listed(catalog, config, entry, context.signal),
  );
  if (catalog.endpoints.length === 1) return models;
  // A bare name means a model as long as nobody else has it.
  const names = entries.map((entry) => entry.place.name);
  return models.map((model, index) => {
    const name = names[index] ?? model.id;
    return names.filter((other) => other === name).length === 1 ? { ...model, aliases: [name] } : model;
  });
}

function plain(error: unknown): unknown {
  if (!(error instanceof ServerError)) return error;
  const { reason, message, retryAfterMs } = failureOf(error);
  const known = reason === 'absent' ? 'UPSTREAM_ERROR' : reason;
  return new PluginError(known, message, {
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** One model. */
export async function getModel(
  catalog: Catalog,
  config: TritonConfig,
  id: string,
  context: CallContext,
): Promise<Model> {
  const place = await catalog.place(id, context.signal);
  const state = await stateOf(catalog, place, context.signal);
  if (state === undefined) throw modelNotFound(id);
  return listed(catalog, config, { place, state }, context.signal);
}

async function stateOf(
  catalog: Catalog,
  place: ModelPlace,
  signal: AbortSignal,
): Promise<ModelState | undefined> {
  try {
    return await catalog.state(place, signal);
  } catch (error) {
    if (error instanceof ServerError && failureOf(error).reason === 'absent') return undefined;
    throw await catalog.explain(place, error, signal);
  }
}

function optionsOf(request: LoadModelRequest): { config: string | undefined } {
  if (request.contextLength !== undefined) {
    const description = 'the server loads a model with the context that its configuration gives';
    throw new PluginError('UNSUPPORTED_PARAMETER', `context_length: ${description}`, {
      fields: [{ field: 'context_length', description }],
    });
  }
  const { config, ...others } = request.options;
  const stranger = Object.keys(others)[0];
  if (stranger !== undefined) {
    const description = 'the only option is "config": a model configuration to load instead of its own';
    throw new PluginError('UNSUPPORTED_PARAMETER', `options.${stranger}: ${description}`, {
      fields: [{ field: `options.${stranger}`, description }],
    });
  }
  return { config };
}

/** Why a load failed. Servers answer INVALID_ARGUMENT for a model that is broken and INTERNAL for one that is not there. */
function loadFailure(place: ModelPlace, error: unknown): unknown {
  if (!(error instanceof ServerError)) return error;
  const failure = failureOf(error);
  if (/failed to poll|not found|no such (file|model)/i.test(error.message) || failure.reason === 'absent')
    return modelNotFound(place.id);
  const kept: ReadonlySet<string> = new Set([
    'OUT_OF_MEMORY',
    'UPSTREAM_UNAVAILABLE',
    'UPSTREAM_PERMISSION_DENIED',
    'UPSTREAM_UNAUTHENTICATED',
    'UNSUPPORTED_OPERATION',
    'UPSTREAM_TIMEOUT',
  ]);
  if (kept.has(failure.reason)) return plain(error);
  return new PluginError(
    'MODEL_BROKEN',
    `model ${JSON.stringify(place.id)} cannot be loaded: ${failure.message}`,
    { cause: error },
  );
}

/**
 * Loads a model, also one that is ready: that costs nothing for a healthy one. One
 * whose process is known to have died is unloaded first. The server goes on loading
 * when nobody waits.
 */
export async function* loadModel(
  catalog: Catalog,
  request: LoadModelRequest,
  context: CallContext,
): AsyncGenerator<LoadModelResponse, void, undefined> {
  const { config } = optionsOf(request);
  const place = await catalog.place(request.model, context.signal);
  const before = await stateOf(catalog, place, context.signal);
  // An index of a remote repository may not list what it can load, so only a known model shows its state.
  if (before?.phase !== ModelState_Phase.PHASE_READY)
    yield { state: ModelState.create({ phase: ModelState_Phase.PHASE_LOADING }) };
  try {
    // To Triton a dead process is no reason to load an unchanged model again; after an unload it is.
    if (catalog.isCrashed(place)) await place.endpoint.unload(place.name, context.signal);
    await place.endpoint.load(place.name, config, context.signal);
  } catch (error) {
    catalog.forget(place);
    if (context.signal.aborted) throw error;
    const failure = loadFailure(place, error);
    if (failure instanceof PluginError && failure.reason === 'MODEL_BROKEN')
      catalog.loadFailed(place, failure.message);
    throw failure;
  }
  catalog.forget(place);
  const after = await stateOf(catalog, place, context.signal);
  if (after?.phase === ModelState_Phase.PHASE_READY) yield { state: after };
  else
    throw new PluginError(
      'MODEL_BROKEN',
      `model ${JSON.stringify(place.id)} was loaded and is not ready${after?.reason ? `: ${after.reason}` : ''}`,
    );
}

/** Begins to unload a model; what runs on it goes on to its end. */
export async function unloadModel(catalog: Catalog, id: string, context: CallContext): Promise<void> {
  const place = await catalog.place(id, context.signal);
  if ((await stateOf(catalog, place, context.signal)) === undefined) throw modelNotFound(id);
  try {
    await place.endpoint.unload(place.name, context.signal);
  } catch (error) {
    throw await catalog.explain(place, error, context.signal);
  } finally {
    catalog.forget(place);
  }
}
