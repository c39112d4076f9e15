import {
  EmbedRequest,
  GenerateRequest,
  Message,
  Operation,
  RequestContext,
  Role,
  Sampling,
} from '@outrigger/proto';
import { contract } from '../plugin-client.js';
import { pageSize, unknownModel, type Outcome, type Probes } from './probes.js';

/** An operation that the contract knows. */
export type KnownOperation = Exclude<Operation, Operation.OPERATION_UNSPECIFIED | Operation.UNRECOGNIZED>;

/** An instance that no plugin is. */
const otherInstance = 'outrigger-smoke-check-another-instance';

function contextFor(instanceId: string): RequestContext {
  return RequestContext.create({ requestId: 'smoke-check', instanceId });
}

/** What requests to the candidate itself carry. */
function ownContext({ manifest }: Probes): RequestContext {
  return contextFor(manifest.info.instanceId);
}

const sampling = Sampling.create({ maxOutputTokens: 1 });

function chat(context: RequestContext): GenerateRequest {
  const parts = [{ kind: { $case: 'text' as const, value: { text: 'x' } } }];
  const messages = [Message.create({ role: Role.ROLE_USER, parts })];
  return GenerateRequest.create({ context, model: unknownModel, messages, sampling });
}

function prompt(context: RequestContext): GenerateRequest {
  return GenerateRequest.create({ context, model: unknownModel, prompt: 'x', sampling });
}

function embed(context: RequestContext): EmbedRequest {
  return EmbedRequest.create({
    context,
    model: unknownModel,
    inputs: [{ kind: { $case: 'text', value: 'x' } }],
  });
}

interface OperationProbe {
  /** The RPC, for people. */
  readonly rpc: string;
  ask(probes: Probes): Promise<Outcome>;
}

const { inference, models, telemetry } = contract;

/** How each operation is asked without any effect: for a model that is not there, for a source that is none. */
export const operations = {
  [Operation.OPERATION_CHAT]: {
    rpc: 'Generate with messages',
    ask: (probes) =>
      probes.once('Generate with messages', inference.generate, chat(ownContext(probes)), true),
  },
  [Operation.OPERATION_COMPLETION]: {
    rpc: 'Generate with a prompt',
    ask: (probes) =>
      probes.once('Generate with a prompt', inference.generate, prompt(ownContext(probes)), true),
  },
  [Operation.OPERATION_EMBED]: {
    rpc: 'Embed',
    ask: (probes) => probes.once('Embed', inference.embed, embed(ownContext(probes)), true),
  },
  [Operation.OPERATION_COUNT_TOKENS]: {
    rpc: 'CountTokens',
    ask: (probes) =>
      probes.once('CountTokens', inference.countTokens, { request: prompt(ownContext(probes)) }, true),
  },
  [Operation.OPERATION_LIST_MODELS]: {
    rpc: 'ListModels',
    ask: (probes) => probes.page(pageSize),
  },
  [Operation.OPERATION_LOAD_MODEL]: {
    rpc: 'LoadModel',
    ask: (probes) =>
      probes.once(
        'LoadModel',
        models.loadModel,
        { model: unknownModel, keepAlive: undefined, contextLength: undefined, options: {} },
        true,
      ),
  },
  [Operation.OPERATION_UNLOAD_MODEL]: {
    rpc: 'UnloadModel',
    ask: (probes) => probes.once('UnloadModel', models.unloadModel, { model: unknownModel }, true),
  },
  [Operation.OPERATION_PULL_MODEL]: {
    rpc: 'PullModel',
    ask: (probes) => probes.once('PullModel', models.pullModel, { source: '' }, true),
  },
  [Operation.OPERATION_DELETE_MODEL]: {
    rpc: 'DeleteModel',
    ask: (probes) => probes.once('DeleteModel', models.deleteModel, { model: unknownModel }, true),
  },
  [Operation.OPERATION_METRICS]: {
    rpc: 'GetMetrics',
    ask: (probes) => probes.once('GetMetrics', telemetry.getMetrics, {}, true),
  },
} as const satisfies Record<KnownOperation, OperationProbe>;

/** All operations. */
export const known = Object.values(Operation).filter(
  (value): value is KnownOperation => typeof value === 'number' && value in operations,
);

/** A request that names another instance: Generate, else Embed; undefined when it offers neither. */
export function askAnotherInstance(probes: Probes): Promise<Outcome> | undefined {
  const context = contextFor(otherInstance);
  const generate = (request: GenerateRequest): Promise<Outcome> =>
    probes.once('Generate of another instance', inference.generate, request, true);
  if (probes.offers(Operation.OPERATION_CHAT)) return generate(chat(context));
  if (probes.offers(Operation.OPERATION_COMPLETION)) return generate(prompt(context));
  if (!probes.offers(Operation.OPERATION_EMBED)) return undefined;
  return probes.once('Embed of another instance', inference.embed, embed(context), true);
}
