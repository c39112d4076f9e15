import { z } from 'zod';
import type { Inference } from '../../router/inference.js';
import type { Route } from '../http/route.js';
import { validate } from '../shared/validation.js';
import { answerProgress } from './progress-stream.js';
import { loadProgress, pullProgress, restModel } from './rest-model.js';

const name = z.string().min(1).max(1024);

/** Body of a request to load. */
export const loadSchema = z.strictObject({
  model: name,
  stream: z.boolean().optional().describe('Report progress as events.'),
});

/** Body of a request to unload. */
export const unloadSchema = z.strictObject({ model: name });

/** Body of a request to fetch a model. */
export const pullSchema = z.strictObject({
  source: z.string().min(1).max(4096).describe("What to fetch, in the plugin's own notation."),
  plugin: z.string().min(1).max(256).optional().describe('Needed when several plugins can fetch.'),
  stream: z.boolean().optional().describe('Progress as events, the default; `false` answers at the end.'),
});

/** Models: which there are, and moving them in and out. */
export function modelRoutes(inference: Inference): Route[] {
  const door = 'rest';
  return [
    {
      door,
      method: 'GET',
      path: '/mcp/v1/models',
      hot: true,
      handle: async (exchange) => {
        exchange.sendJson(200, { models: (await inference.listModels()).map(restModel) });
      },
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/models/load',
      handle: (exchange, body) => {
        const { model, stream } = validate(loadSchema, body);
        return answerProgress(exchange, inference.loadModel(model, exchange), loadProgress, stream === true);
      },
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/models/unload',
      handle: async (exchange, body) => {
        const { model } = validate(unloadSchema, body);
        await inference.unloadModel(model, exchange);
        exchange.sendJson(200, { model, unloaded: true });
      },
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/models/pull',
      handle: (exchange, body) => {
        const { source, plugin, stream } = validate(pullSchema, body);
        const steps = inference.pullModel(source, plugin, exchange);
        return answerProgress(exchange, steps, pullProgress, stream !== false);
      },
    },
    {
      door,
      method: 'GET',
      path: '/mcp/v1/models/*id',
      handle: async (exchange, _body, params) => {
        exchange.sendJson(200, restModel(await inference.getModel(params['id'] ?? '')));
      },
    },
    {
      door,
      method: 'DELETE',
      path: '/mcp/v1/models/*id',
      handle: async (exchange, _body, params) => {
        const id = params['id'] ?? '';
        await inference.deleteModel(id, exchange);
        exchange.sendJson(200, { model: id, deleted: true });
      },
    },
  ];
}
