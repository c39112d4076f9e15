import {
  ModelState,
  ModelState_Phase,
  ModelsDefinition,
  methodsOf,
  type ListModelsRequest,
  type ListModelsResponse,
  type Model,
} from '@outrigger/proto';
import type { Handlers } from './caller.js';
import type { Calls } from './calls.js';
import { unsupported, type PluginInstance } from './instance.js';
import type { CallContext, PluginDefinition } from './plugin.js';
import { PluginError, modelNotFound } from './plugin-error.js';
import type { SharedLoads } from './shared-load.js';

/** Most models on a page, and as many as come when the host does not say. */
const largestPage = 1_000;

const byId = (a: Model, b: Model): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function tokenAfter(id: string): string {
  return Buffer.from(JSON.stringify({ after: id })).toString('base64url');
}

function readToken(token: string): string {
  try {
    const value = JSON.parse(Buffer.from(token, 'base64url').toString()) as { after?: unknown };
    if (typeof value.after === 'string') return value.after;
  } catch {
    // Falls through to the refusal.
  }
  const description =
    'not a token of this plugin; take next_page_token of the page before, or leave it empty';
  throw new PluginError('INVALID_REQUEST', `page_token: ${description}`, {
    fields: [{ field: 'page_token', description }],
  });
}

/** A page of models, ordered by id: models that come and go between two pages disturb no other. */
export function pageOf(models: readonly Model[], request: ListModelsRequest): ListModelsResponse {
  const after = request.pageToken === '' ? undefined : readToken(request.pageToken);
  const rest = [...models].sort(byId).filter((model) => after === undefined || model.id > after);
  const size = request.pageSize === 0 ? largestPage : Math.min(request.pageSize, largestPage);
  const page = rest.slice(0, size);
  const last = page.at(-1);
  return { models: page, nextPageToken: last !== undefined && rest.length > size ? tokenAfter(last.id) : '' };
}

async function find(definition: PluginDefinition, id: string, context: CallContext): Promise<Model> {
  if (definition.getModel) return definition.getModel(id, context);
  if (!definition.listModels) throw unsupported(ModelsDefinition, 'GetModel');
  const models = await definition.listModels(context);
  const found = models.find((model) => model.id === id) ?? models.find((model) => model.aliases.includes(id));
  if (found === undefined) throw modelNotFound(id);
  return found;
}

/** Models, for plugins that have any of its handlers. */
export function modelsService(
  instance: PluginInstance,
  calls: Calls,
  loads: SharedLoads,
): Handlers | undefined {
  const { definition } = instance;
  const handlers = [
    'listModels',
    'getModel',
    'loadModel',
    'unloadModel',
    'pullModel',
    'deleteModel',
  ] as const;
  if (!handlers.some((handler) => definition[handler] !== undefined)) return undefined;
  const methods = methodsOf(ModelsDefinition);
  const rules = { configured: true } as const;
  return {
    listModels: calls.unary(methods.listModels, rules, async (request, context) => {
      if (!definition.listModels) throw unsupported(ModelsDefinition, 'ListModels');
      return pageOf(await definition.listModels(context), request);
    }),
    getModel: calls.unary(methods.getModel, rules, async (request, context) => ({
      model: await find(definition, request.model, context),
    })),
    loadModel: calls.stream(methods.loadModel, rules, (request, context) => {
      if (!definition.loadModel) throw unsupported(ModelsDefinition, 'LoadModel');
      return loads.follow(request, context);
    }),
    unloadModel: calls.unary(methods.unloadModel, rules, async (request, context) => {
      if (!definition.unloadModel) throw unsupported(ModelsDefinition, 'UnloadModel');
      await loads.end(request.model);
      await definition.unloadModel(request.model, context);
      return { state: ModelState.create({ phase: ModelState_Phase.PHASE_UNLOADED }) };
    }),
    pullModel: calls.stream(methods.pullModel, rules, (request, context) => {
      if (!definition.pullModel) throw unsupported(ModelsDefinition, 'PullModel');
      return definition.pullModel(request, context);
    }),
    deleteModel: calls.unary(methods.deleteModel, rules, async (request, context) => {
      if (!definition.deleteModel) throw unsupported(ModelsDefinition, 'DeleteModel');
      await definition.deleteModel(request.model, context);
      return {};
    }),
  };
}
