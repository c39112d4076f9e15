import { randomUUID } from 'node:crypto';
import { GenerateRequest, type GenerateEvent } from '@outrigger/proto';
import { PluginError, head, warning, type CallContext } from '@outrigger/sdk-plugin';
import type { Catalog } from '../catalog/catalog.js';
import type { DescribedModel } from '../catalog/description.js';
import type { TritonConfig } from '../config.js';
import type { Wait } from '../server/connection.js';
import type { InferenceAnswer, InferenceRequest } from '../server/endpoint.js';
import { MalformedTensor } from '../server/tensor.js';
import { Unsupported } from '../unsupported.js';
import { AnswerReader } from './answer.js';
import { planOf, type TextShape } from './plan.js';
import { promptOf } from './prompt.js';
import { templateOf } from './templates.js';

/** How long inference may take: as long as the caller waits, or as configured. */
export function inferenceWait(context: CallContext, config: TritonConfig): Wait {
  return { signal: context.signal, deadline: context.deadline ?? Date.now() + config.inferenceTimeoutMs };
}

/** A request id for the server's log that no other request has. */
export function uniqueId(context: CallContext): string {
  return context.requestId === '' ? randomUUID() : `${context.requestId}.${randomUUID().slice(0, 8)}`;
}

function textShape(model: DescribedModel): TextShape {
  const { shape } = model.description;
  const name = JSON.stringify(model.place.id);
  if (shape.kind === 'embedding')
    throw new PluginError('UNSUPPORTED_OPERATION', `model ${name} embeds and does not generate`);
  if (shape.kind === 'raw') {
    throw new PluginError('UNSUPPORTED_OPERATION', `model ${name} takes raw tensors only: ${shape.why}`);
  }
  return shape;
}

/**
 * The answers of a model, as a stream where it can have several and as one where
 * it cannot. `probe` asks the model for as little as it can.
 */
export async function* answersOf(
  catalog: Catalog,
  model: DescribedModel,
  request: InferenceRequest,
  probe: (() => Promise<void>) | undefined,
  wait: Wait,
): AsyncGenerator<readonly InferenceAnswer[], void, undefined> {
  const { endpoint } = model.place;
  const { decoupled } = model.description;
  // Where nobody says, a stream works for both kinds of models.
  if (decoupled !== false && (await endpoint.streams(wait.signal))) {
    yield* catalog.vigil.stream(model.place, request, probe ?? (() => Promise.resolve()), wait);
  } else yield [await endpoint.infer(request, wait)];
}

/** Backends whose models run in processes of their own, which can die alone. */
const processBackends: ReadonlySet<string> = new Set(['python', 'vllm']);

/** Asks a model for one token, to see whether its process lives; the catalog notices when it does not. */
async function askForOneToken(
  catalog: Catalog,
  config: TritonConfig,
  model: DescribedModel,
  shape: TextShape,
): Promise<void> {
  const { place, description } = model;
  if (!processBackends.has(description.platform)) return;
  const request = GenerateRequest.fromPartial({ prompt: '.', sampling: { maxOutputTokens: 1 } });
  const unsupported = new Unsupported(undefined);
  const { inputs } = planOf({
    request,
    shape,
    description,
    settings: place.settings,
    prompt: '.',
    stop: [],
    stream: false,
    unsupported,
  });
  const wait = {
    signal: AbortSignal.timeout(config.metadataTimeoutMs),
    deadline: Date.now() + config.metadataTimeoutMs,
  };
  const inference = {
    model: place.name,
    version: place.settings.version ?? '',
    id: randomUUID(),
    inputs,
    outputs: [],
    parameters: {},
  };
  try {
    for await (const _ of place.endpoint.inferStream(inference, wait)) break;
  } catch (error) {
    await catalog.explain(place, error, wait.signal);
  }
}

/** Generates with a model that takes and gives text. */
export async function* generate(
  catalog: Catalog,
  config: TritonConfig,
  request: GenerateRequest,
  context: CallContext,
): AsyncGenerator<readonly GenerateEvent[], void, undefined> {
  const model = await catalog.open(request.model, context.signal);
  const { place, description } = model;
  const shape = textShape(model);
  const unsupported = new Unsupported(request.context?.unsupported);
  const template = templateOf(place.settings, description, config);
  const chat = request.prompt === undefined;
  const prompt = request.prompt ?? promptOf(request.messages, template);
  const stop = [...new Set([...(request.sampling?.stop ?? []), ...place.settings.stop])].filter(
    (sequence) => sequence !== '',
  );
  const turnEnds = chat ? template.stop : [];
  const plan = planOf({
    request,
    shape,
    description,
    settings: place.settings,
    prompt,
    stop: [...stop, ...turnEnds],
    stream: description.decoupled !== false && !request.unary,
    unsupported,
  });
  unsupported.check();

  const reader = new AnswerReader({
    output: plan.text,
    prompt,
    echo: place.settings.echo,
    cumulative: place.settings.streamedText === 'cumulative',
    stop,
    turnEnds,
  });
  const id = uniqueId(context);
  const inference = {
    model: place.name,
    version: place.settings.version ?? '',
    id,
    inputs: plan.inputs,
    outputs: [],
    parameters: {},
  };
  // Nothing is said before the model has begun: until then another instance may still take the request.
  const opening = [
    head({ responseId: id, model: place.id }),
    ...unsupported.warnings.map(({ code, field, message }) => warning(code, field, message)),
  ];
  const probe = () => askForOneToken(catalog, config, model, shape);
  let begun = false;
  try {
    for await (const answers of answersOf(catalog, model, inference, probe, inferenceWait(context, config))) {
      const events = begun ? [] : opening;
      begun = true;
      for (const answer of answers) {
        events.push(...reader.take(answer));
        if (reader.stopped) break;
      }
      if (events.length > 0) yield events;
      // Leaving the loop cancels the rest.
      if (reader.stopped) break;
    }
  } catch (error) {
    if (error instanceof MalformedTensor)
      throw new PluginError('UPSTREAM_ERROR', error.message, { cause: error });
    throw await catalog.explain(place, error, context.signal);
  }
  catalog.worked(place);
  yield [...(begun ? [] : opening), ...reader.end()];
}
