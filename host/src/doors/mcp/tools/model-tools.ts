import type { ToolModule } from '../tool-catalog.js';
import { jsonResult, orError } from '../tool-result.js';
import { snakeCase, snakeObject } from './json-names.js';
import type { InferencePort } from './ports.js';
import { modelSchema } from './schemas.js';

const modelProperties = {
  id: { type: 'string', description: 'plugin/model: always accepted.' },
  names: { type: 'array', items: { type: 'string' }, description: 'Other names that mean it now.' },
  plugin: { type: 'string' },
  capabilities: { type: 'object' },
  context_length: { type: 'number' },
  state: { type: 'string' },
} as const;
const modelRequired = ['id', 'plugin'] as const;

/** `list_models`: everything that can be asked. */
export function listModelsTool(port: InferencePort): ToolModule {
  return {
    definition: {
      name: 'list_models',
      title: 'List models',
      description: 'Lists the models that can be used now, with their plugin, abilities and context length.',
      inputSchema: {
        type: 'object',
        properties: { plugin: { type: 'string', description: 'Only models of this plugin.' } },
        additionalProperties: false,
      },
      outputSchema: orError({
        properties: {
          models: {
            type: 'array',
            items: { type: 'object', properties: modelProperties, required: modelRequired },
          },
        },
        required: ['models'],
      }),
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    async run(args) {
      const { plugin } = args;
      const all = await port.models();
      return jsonResult({
        models: snakeCase(plugin === undefined ? all : all.filter((entry) => entry.plugin === plugin)),
      });
    },
  };
}

/** `get_model`: all that is known of one. */
export function getModelTool(port: InferencePort): ToolModule {
  return {
    definition: {
      name: 'get_model',
      title: 'Describe a model',
      description: 'Returns everything known about one model.',
      inputSchema: {
        type: 'object',
        properties: { model: modelSchema },
        required: ['model'],
        additionalProperties: false,
      },
      outputSchema: orError({ properties: modelProperties, required: modelRequired }),
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    run: async (args) => jsonResult(snakeObject(await port.model(args.model as string))),
  };
}

/** `list_plugins`: who serves the models. */
export function listPluginsTool(port: InferencePort): ToolModule {
  return {
    definition: {
      name: 'list_plugins',
      title: 'List plugins',
      description: 'Lists the plugins behind the host, with their version and state.',
      inputSchema: { type: 'object', properties: {}, additionalProperties: false },
      outputSchema: orError({
        properties: {
          plugins: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                name: { type: 'string' },
                version: { type: 'string' },
                state: { type: 'string' },
                models: { type: 'number' },
              },
              required: ['name', 'state'],
            },
          },
        },
        required: ['plugins'],
      }),
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    run: async () => jsonResult({ plugins: snakeCase(await port.plugins()) }),
  };
}
