import { ModelState_Phase, type LoadModelRequest, type LoadModelResponse } from '@outrigger/proto';
import { PluginError, type CallContext } from '@outrigger/sdk-plugin';
import type { EngineLease } from '../engine-pool.js';
import { callError } from './errors.js';
import { giveBack, logDetail, settles } from './leasing.js';
import { loadOverrides } from './load-options.js';
import { modelState } from './model-description.js';
import type { PluginState } from './state.js';

const LOOK_EVERY_MS = 200;

/** Loads a model and tells how far it is. A model that is loaded differently from what is asked for is loaded anew. */
export async function* loadModel(
  state: PluginState,
  request: LoadModelRequest,
  { signal, log }: CallContext,
): AsyncGenerator<LoadModelResponse, void, void> {
  const { id: model } = await state.find(request.model);
  const { pool } = state;
  const overrides = loadOverrides(request);
  const { engine } = pool.status(model);
  const wanted = overrides.contextLength;
  if (engine !== undefined && wanted !== undefined && wanted !== engine.contextLength) {
    if (engine.inFlight > 0) {
      const message = 'requests are using the model with another context length; try again later';
      throw new PluginError('MODEL_IN_USE', message);
    }
    await pool.unload(model);
  }
  let lease: Promise<EngineLease> | undefined;
  try {
    if (!pool.isReady(model)) yield { state: modelState({ phase: 'loading' }), fraction: undefined };
    lease = pool.acquire(model, signal, overrides);
    let told = 0;
    while (!(await settles(lease, LOOK_EVERY_MS))) {
      const { fraction } = pool.status(model);
      if (fraction === undefined || fraction - told < 0.01) continue;
      told = fraction;
      yield { state: modelState({ phase: 'loading' }), fraction };
    }
    await lease;
    yield { state: { ...modelState(pool.status(model)), phase: ModelState_Phase.PHASE_READY }, fraction: 1 };
  } catch (error) {
    logDetail(error, model, log);
    throw callError(error, signal);
  } finally {
    giveBack(lease, request.keepAlive);
  }
}
