import type { ToolModule } from '../tool-catalog.js';
import { jsonResult, orError } from '../tool-result.js';
import { messagesOf, portCallOf } from './arguments.js';
import { snakeObject } from './json-names.js';
import type { InferencePort } from './ports.js';
import { modelSchema, promptProperties, stringsSchema, usageSchema } from './schemas.js';

/** `embed`: texts as vectors. */
export function embedTool(port: InferencePort): ToolModule {
  return {
    definition: {
      name: 'embed',
      title: 'Embed text',
      description: 'Turns texts into embedding vectors, in the order of the input.',
      inputSchema: {
        type: 'object',
        properties: {
          model: modelSchema,
          input: {
            anyOf: [
              { type: 'string' },
              { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2048 },
            ],
          },
          dimensions: { type: 'integer', minimum: 1 },
          strict_params: { type: 'boolean' },
        },
        required: ['input'],
        additionalProperties: false,
      },
      outputSchema: orError({
        properties: {
          model: { type: 'string' },
          plugin: { type: 'string' },
          embeddings: { type: 'array', items: { type: 'array', items: { type: 'number' } } },
          usage: usageSchema,
          warnings: stringsSchema,
          ignored_params: stringsSchema,
        },
        required: ['model', 'embeddings', 'usage'],
      }),
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: true },
    },
    async run(args, call) {
      const input = args.input as string | readonly string[];
      const { embeddings, model, plugin, usage, warnings, ignoredParams } = await port.embed(
        {
          model: (args.model as string | undefined) ?? '',
          input: typeof input === 'string' ? [input] : input,
          ...(args.dimensions === undefined ? {} : { dimensions: args.dimensions as number }),
          strictParams: args.strict_params === true,
        },
        portCallOf(call),
      );
      return jsonResult({
        model,
        plugin,
        embeddings,
        usage: snakeObject(usage),
        warnings,
        ignored_params: ignoredParams,
      });
    },
  };
}

/** `count_tokens`: how long a prompt is for a model. */
export function countTokensTool(port: InferencePort): ToolModule {
  return {
    definition: {
      name: 'count_tokens',
      title: 'Count tokens',
      description: 'Counts the tokens of a prompt or conversation as the model would see it.',
      inputSchema: {
        type: 'object',
        properties: { model: modelSchema, ...promptProperties },
        additionalProperties: false,
      },
      outputSchema: orError({
        properties: { input_tokens: { type: 'integer' }, estimated: { type: 'boolean' } },
        required: ['input_tokens', 'estimated'],
      }),
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: true },
    },
    async run(args, call) {
      const { inputTokens, estimated } = await port.countTokens(
        { model: (args.model as string | undefined) ?? '', messages: messagesOf(args) },
        portCallOf(call),
      );
      return jsonResult({ input_tokens: inputTokens, estimated });
    },
  };
}
