import { z } from 'zod';
import { messageSchema } from './content-schema.js';
import { chatShape, deliveryShape, samplingShape } from './parameter-schema.js';

const model = z.string().max(1024).nullish().describe('Name of the model; without one, the default model.');

/** Body of a chat request. Further keys are parameters of the plugin. */
export const chatSchema = z.looseObject({
  model,
  messages: z.array(messageSchema).min(1),
  ...deliveryShape,
  ...samplingShape,
  ...chatShape,
});

/** Body of a completion request. Further keys are parameters of the plugin. */
export const completionSchema = z.looseObject({
  model,
  prompt: z
    .union([z.string(), z.array(z.union([z.string(), z.int().min(0), z.array(z.int().min(0))])).min(1)])
    .describe('One text. A list must hold exactly one text; token ids are refused.'),
  suffix: z.string().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  ...deliveryShape,
  ...samplingShape,
});

const tokenIds = z.array(z.int().min(0).max(4_294_967_295)).min(1);

/** Body of a request to embed. Further keys are parameters of the plugin. */
export const embeddingSchema = z.looseObject({
  model,
  input: z
    .union([
      z.string().min(1),
      z.array(z.string().min(1)).min(1).max(2048),
      tokenIds,
      z.array(tokenIds).min(1).max(2048),
    ])
    .describe('A text, up to 2048 texts, one list of token ids, or up to 2048 such lists.'),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(1_048_576).nullish(),
  truncate: z.boolean().nullish().describe('Cut inputs that are too long instead of refusing them.'),
  user: z.string().nullish(),
});

export type ChatInput = z.output<typeof chatSchema>;
export type CompletionInput = z.output<typeof completionSchema>;
export type EmbeddingInput = z.output<typeof embeddingSchema>;
