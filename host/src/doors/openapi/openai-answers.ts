import { z } from 'zod';

// What the OpenAI door answers. Tests hold real answers against these.

const text = z.string();
const count = z.int().min(0);
const finish = z.enum(['stop', 'length', 'tool_calls', 'content_filter']);
const logprobs = z.record(z.string(), z.unknown()).nullable();

const remarks = z
  .strictObject({
    plugin: text,
    instance: text,
    ignored_params: z.array(text).optional(),
    warnings: z.array(z.record(text, text)).optional(),
    finish: z.array(z.record(text, z.unknown())).optional(),
  })
  .describe('What OpenAI has no field for.');

const usage = z.strictObject({
  prompt_tokens: count.optional(),
  completion_tokens: count.optional(),
  total_tokens: count.optional(),
  prompt_tokens_details: z
    .strictObject({ cached_tokens: count.optional(), cache_write_tokens: count.optional() })
    .optional(),
  completion_tokens_details: z.strictObject({ reasoning_tokens: count }).optional(),
  estimated: z.boolean().optional(),
});

const head = { id: text, created: count, model: text, system_fingerprint: text.optional() };

const call = z.strictObject({
  index: count.optional(),
  id: text.optional(),
  type: z.literal('function').optional(),
  function: z.strictObject({ name: text.optional(), arguments: text }),
});
const image = z.strictObject({ type: z.literal('image_url'), image_url: z.strictObject({ url: text }) });

const message = {
  content: text.nullable(),
  refusal: text.nullable(),
  reasoning_content: text,
  tool_calls: z.array(call),
  images: z.array(image),
};

const model = z.strictObject({
  id: text,
  object: z.literal('model'),
  created: count,
  owned_by: text,
  outrigger: z.strictObject({ plugin: text, names: z.array(text), context_length: count.optional() }),
});

export const openaiAnswers = {
  ChatCompletion: z.strictObject({
    ...head,
    object: z.literal('chat.completion'),
    choices: z.array(
      z.strictObject({
        index: count,
        message: z
          .strictObject({ role: z.literal('assistant'), ...message })
          .partial({ reasoning_content: true, tool_calls: true, images: true }),
        logprobs,
        finish_reason: finish,
      }),
    ),
    usage: usage.optional(),
    outrigger: remarks.optional(),
  }),
  ChatCompletionChunk: z.strictObject({
    ...head,
    object: z.literal('chat.completion.chunk'),
    choices: z.array(
      z.strictObject({
        index: count,
        delta: z.strictObject({ role: z.literal('assistant'), ...message }).partial(),
        logprobs,
        finish_reason: finish.nullable(),
      }),
    ),
    usage: usage.nullish(),
    outrigger: remarks.optional(),
  }),
  Completion: z.strictObject({
    ...head,
    object: z.literal('text_completion'),
    choices: z.array(z.strictObject({ index: count, text, logprobs, finish_reason: finish.nullable() })),
    usage: usage.nullish(),
    outrigger: remarks.optional(),
  }),
  EmbeddingList: z.strictObject({
    object: z.literal('list'),
    data: z.array(
      z.strictObject({
        object: z.literal('embedding'),
        index: count,
        embedding: z.union([z.array(z.number()), text]).describe('Numbers, or base64 of 32-bit floats.'),
      }),
    ),
    model: text,
    usage: z.strictObject({ prompt_tokens: count, total_tokens: count }).optional(),
    outrigger: remarks.optional(),
  }),
  OpenAiModel: model,
  OpenAiModelList: z.strictObject({ object: z.literal('list'), data: z.array(model) }),
} as const satisfies Record<string, z.ZodType>;
