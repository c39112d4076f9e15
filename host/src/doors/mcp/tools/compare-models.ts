import type { ToolModule } from '../tool-catalog.js';
import { errorOf, orError, textResult, toolErrorSchema } from '../tool-result.js';
import { ArgumentError, generateInputOf, portCallOf } from './arguments.js';
import { answerJson } from './generate.js';
import type { InferencePort } from './ports.js';
import {
  answerProperties,
  modelSchema,
  promptProperties,
  samplingProperties,
  strictnessProperties,
} from './schemas.js';

/** The same question to several models at once; one that fails does not fail the others. */
export function compareModelsTool(port: InferencePort): ToolModule {
  return {
    definition: {
      name: 'compare_models',
      title: 'Compare models',
      description:
        'Asks several models the same thing at the same time and returns every answer, or why there is none, in the order in which the models were named.',
      inputSchema: {
        type: 'object',
        properties: {
          models: { type: 'array', items: modelSchema, minItems: 2, maxItems: 8 },
          ...promptProperties,
          ...samplingProperties,
          ...strictnessProperties,
        },
        required: ['models'],
        additionalProperties: false,
      },
      outputSchema: orError({
        properties: {
          results: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                requested_model: { type: 'string' },
                milliseconds: { type: 'number' },
                ...answerProperties,
                error: toolErrorSchema,
              },
              required: ['requested_model', 'milliseconds'],
            },
          },
        },
        required: ['results'],
      }),
      annotations: { readOnlyHint: true, openWorldHint: true },
    },
    async run(args, call) {
      const models = args.models as readonly string[];
      const repeated = models.findIndex((name, index) => models.indexOf(name) !== index);
      if (repeated >= 0)
        throw new ArgumentError('models', `arguments.models[${repeated}] names a model for the second time`);
      let done = 0;
      const inputs = models.map((model) => generateInputOf(args, model));
      const results = await Promise.all(
        inputs.map(async (input) => {
          const begun = performance.now();
          const outcome = await port.generate(input, portCallOf(call)).then(answerJson, (thrown: unknown) => {
            const error = errorOf(thrown);
            if (error === undefined) throw thrown;
            return { error };
          });
          done += 1;
          call.progress?.({ message: `${input.model} is done`, progress: done, total: models.length });
          return {
            requested_model: input.model,
            milliseconds: Math.round(performance.now() - begun),
            ...outcome,
          };
        }),
      );
      const text = results.map((result) => `## ${result.requested_model}\n${said(result)}`).join('\n\n');
      const failed = results.every((result) => 'error' in result);
      return textResult(text, { structuredContent: { results }, ...(failed ? { isError: true } : {}) });
    },
  };
}

function said(result: object): string {
  if ('error' in result) return `(failed: ${(result.error as { message: string }).message})`;
  return 'text' in result ? String(result.text) : '';
}
