import { z } from 'zod';

// Parameters that both HTTP doors and the MCP tools share. `null` means unset, as OpenAI has it.

const tool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,128}$/, 'must be 1 to 128 of A-Z a-z 0-9 _ . -')
      .describe('1 to 128 of A-Z a-z 0-9 _ . -'),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish().describe('JSON Schema of the arguments.'),
    strict: z.boolean().nullish(),
  }),
});
const namedTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({ name: z.string().min(1) }),
});

/** Which tools the model calls. */
export const toolChoiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    namedTool,
    z.looseObject({
      type: z.literal('allowed_tools'),
      allowed_tools: z.looseObject({ mode: z.enum(['auto', 'required']), tools: z.array(namedTool).min(1) }),
    }),
  ]),
]);

/** What the answer must look like. */
export const responseFormatSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({
      name: z.string().min(1).max(128),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  }),
]);

const tokens = () => z.int().min(1).max(2_147_483_647).nullish();

/** Parameters of chat and completion alike. */
export const samplingShape = {
  temperature: z.number().min(0).max(2).nullish().describe('Randomness, 0 to 2.'),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).max(2_147_483_647).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  typical_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().min(0).max(100).nullish(),
  seed: z.union([z.int(), z.bigint()]).nullish().meta({ type: 'integer', format: 'int64' }),
  stop: z
    .union([z.string(), z.array(z.string()).max(16)])
    .nullish()
    .describe('Up to 16 texts before which the answer ends.'),
  max_tokens: tokens().describe('Most tokens in the answer.'),
  n: z.int().min(1).max(128).nullish().describe('Answers wanted.'),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  user: z.string().nullish().describe("The end user's id, for the vendor's abuse checks."),
};

/** Parameters of chat alone. */
export const chatShape = {
  max_completion_tokens: tokens().describe('The newer name of max_tokens.'),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoiceSchema.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: responseFormatSchema.nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
};

/** How an answer is delivered; these concern the door and never reach a plugin. */
export const deliveryShape = {
  stream: z.boolean().nullish(),
  stream_options: z
    .looseObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),
};
