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

/** Keys and entries that a body to embed may have: 300,000 token ids in all, as OpenAI takes them. */
export const embeddingValues = 310_000;

const texts = z.array(z.string().min(1)).min(1).max(2048);
const tokenIds = z.array(z.int().min(0).max(4_294_967_295)).min(1);
const tokenLists = z.array(tokenIds).min(1).max(2048);

/** Body of a request to embed. Further keys are parameters of the plugin. */
export const embeddingSchema = z.looseObject({
  model,
  input: z
    .union([z.string().min(1), texts, tokenIds, tokenLists])
    .describe('A text, up to 2048 texts, one list of token ids, or up to 2048 such lists.'),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(1_048_576).nullish(),
  truncate: z.boolean().nullish().describe('Cut inputs that are too long instead of refusing them.'),
  user: z.string().nullish(),
});

const ofTexts = embeddingSchema.extend({ input: texts });
const ofTokenIds = embeddingSchema.extend({ input: tokenIds });
const ofTokenLists = embeddingSchema.extend({ input: tokenLists });

/** The schema for a body: the first entry tells what a list is of, and the others are not tried on all of it. */
export function embeddingSchemaFor(body: unknown): z.ZodType<z.output<typeof embeddingSchema>> {
  const { input } = (body ?? {}) as { input?: unknown };
  if (!Array.isArray(input)) return embeddingSchema;
  if (typeof input[0] === 'number') return ofTokenIds;
  return Array.isArray(input[0]) ? ofTokenLists : ofTexts;
}

export type ChatInput = z.output<typeof chatSchema>;
export type CompletionInput = z.output<typeof completionSchema>;
export type EmbeddingInput = z.output<typeof embeddingSchema>;
