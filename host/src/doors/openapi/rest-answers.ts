import { z } from 'zod';

// What the REST door answers about models and inference. Tests hold real answers against these.

const text = z.string();
const count = z.int().min(0);
const ms = z.number().min(0);
const flag = z.boolean();
const finish = z.enum(['stop', 'length', 'tool_calls', 'content_filter']);

const warnings = z.array(z.strictObject({ code: text, field: text.optional(), message: text }));
const usage = z
  .strictObject({
    input_tokens: count,
    output_tokens: count,
    total_tokens: count,
    cache_read_tokens: count,
    cache_write_tokens: count,
    reasoning_tokens: count,
    estimated: flag,
    partial: flag,
    load_ms: ms,
    queue_ms: ms,
    prompt_ms: ms,
    generation_ms: ms,
  })
  .partial()
  .describe('Unknown numbers are left out.');

const part = z.looseObject({ type: text }).describe('text, reasoning, refusal, tool_call or media.');
const detail = z.strictObject({ index: count, reason: text, raw: text.optional(), detail: text.optional() });
const candidate = {
  text,
  message: z.strictObject({ role: z.literal('assistant'), parts: z.array(part) }),
  finish_reason: finish,
  finish_detail: detail.optional(),
  logprobs: z.array(z.strictObject({ token: text, logprob: z.number() })).optional(),
};
const remarks = { warnings, ignored_params: z.array(text) };

const phase = z.enum(['unloaded', 'loading', 'ready', 'unloading', 'downloading', 'failed', 'unknown']);
const state = z.strictObject({ phase, reason: text.optional(), expires: text.optional() });

const model = z.strictObject({
  id: text,
  names: z.array(text),
  plugin: text,
  plugin_version: text.optional(),
  display_name: text.optional(),
  owner: text.optional(),
  digest: text.optional(),
  created: text.optional(),
  preferred: z.literal(true).optional(),
  capabilities: z
    .strictObject({
      chat: flag,
      completion: flag,
      embedding: flag,
      tools: flag,
      structured_output: flag,
      reasoning: flag,
      logprobs: flag,
      infill: flag,
      input_modalities: z.array(text),
    })
    .partial()
    .optional()
    .describe('What is unknown is left out, which is not the same as no.'),
  context_length: count.optional(),
  context_length_loaded: count.optional(),
  max_output_tokens: count.optional(),
  embedding_dimensions: count.optional(),
  weights: z
    .strictObject({ family: text, format: text, quantization: text, parameters: count, size_bytes: count })
    .partial()
    .optional(),
  state: state.optional(),
  extensions: z.record(text, z.unknown()).optional(),
});

export const restAnswers = {
  ChatAnswer: z.strictObject({
    id: text,
    model: text,
    plugin: text,
    ...candidate,
    candidates: z.array(z.strictObject({ index: count, ...candidate })).optional(),
    usage: usage.nullable(),
    ...remarks,
  }),
  ChatEvent: z
    .looseObject({})
    .describe(
      'Events `delta` (candidate, part, type and its content), then per candidate `finish`, then `usage` when known and `done`; or `error` with a Problem and nothing after it.',
    ),
  Embeddings: z.strictObject({
    model: text,
    plugin: text,
    embeddings: z.array(z.union([z.array(z.number()), text])),
    usage: usage.nullable(),
    ...remarks,
  }),
  Model: model,
  ModelList: z.strictObject({ models: z.array(model) }),
  LoadProgress: z.strictObject({ state: state.optional(), fraction: z.number().min(0).max(1).optional() }),
  Unloaded: z.strictObject({ model: text, unloaded: z.literal(true) }),
  PullProgress: z
    .strictObject({ status: text, model: text, total_bytes: count, completed_bytes: count })
    .partial(),
  Deleted: z.strictObject({ model: text, deleted: z.literal(true) }),
} as const satisfies Record<string, z.ZodType>;
