import { Progress_Stage, type GenerateEvent, type GenerateRequest } from '@outrigger/proto';
import { head, PluginError, progress, warning, type CallContext } from '@outrigger/sdk-plugin';
import type { EngineLease } from '../engine-pool.js';
import { AnswerTranslator } from './answer.js';
import { callError } from './errors.js';
import { giveBack, logDetail, settles } from './leasing.js';
import { translateRequest } from './request.js';
import type { PluginState } from './state.js';

/** A load that takes longer than this is told to the caller, again and again as it goes on. */
const TELL_EVERY_MS = 500;

/** Answers a Generate request. */
export async function* generate(
  state: PluginState,
  request: GenerateRequest,
  { signal, log }: CallContext,
): AsyncGenerator<GenerateEvent | readonly GenerateEvent[], void, void> {
  const { id: model } = await state.find(request.model);
  const { pool } = state;
  const answer = new AnswerTranslator();
  let lease: Promise<EngineLease> | undefined;
  try {
    lease = pool.acquire(model, signal);
    while (!pool.isReady(model) && !(await settles(lease, TELL_EVERY_MS))) {
      yield progress(Progress_Stage.STAGE_LOADING, pool.status(model).fraction);
    }
    const { engine } = await lease;
    if (request.prompt === undefined ? !engine.capabilities.chat : !engine.capabilities.completion) {
      throw new PluginError(
        'UNSUPPORTED_OPERATION',
        'this model makes embeddings and does not generate text',
      );
    }
    const { request: translated, leftOut } = translateRequest(request, engine.capabilities, engine.kind);
    let begun = false;
    for await (const batch of engine.generate(translated, signal)) {
      const events = batch.map((event) => answer.translate(event));
      if (!begun) {
        begun = true;
        events.unshift(
          head({ model }),
          ...leftOut.map(({ field, message }) =>
            warning('unsupported_parameter', field, `${field}: ${message}`),
          ),
        );
      }
      yield events;
    }
  } catch (error) {
    logDetail(error, model, log);
    throw callError(error, signal, answer.spoke);
  } finally {
    giveBack(lease, request.context?.keepAlive);
  }
}
