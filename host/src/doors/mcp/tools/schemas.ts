import type { JsonSchema } from '../catalog.js';

/** Schemas that several tools share. Names are those of the OpenAI API. */
const model: JsonSchema = {
  type: 'string',
  maxLength: 512,
  description:
    'A model by its full name (plugin/model), an alias, or its bare name when that is unique. See list_models.',
};

const message: JsonSchema = {
  type: 'object',
  properties: {
    role: { enum: ['system', 'developer', 'user', 'assistant', 'tool'] },
    content: {
      anyOf: [{ type: 'string' }, { type: 'null' }, { type: 'array', items: { type: 'object' } }],
      description:
        'Text, or parts such as {"type":"text","text":…} and {"type":"image_url","image_url":{"url":…}}.',
    },
    name: { type: 'string' },
    tool_calls: { type: 'array', items: { type: 'object' } },
    tool_call_id: { type: 'string' },
  },
  required: ['role'],
  additionalProperties: false,
};

/** What is asked: a prompt or a conversation. */
export const promptProperties = {
  prompt: { type: 'string', description: 'The question or instruction. Give this or messages.' },
  messages: {
    type: 'array',
    items: message,
    minItems: 1,
    description: 'A whole conversation. Give this or prompt.',
  },
  system: { type: 'string', description: 'An instruction that comes before everything else.' },
} as const satisfies Record<string, JsonSchema>;

/** How it is answered. Bounds that only a plugin knows are left to the plugin. */
export const samplingProperties = {
  max_tokens: { type: 'integer', minimum: 1, description: 'Longest answer, in tokens.' },
  temperature: { type: 'number', minimum: 0, maximum: 2 },
  top_p: { type: 'number', minimum: 0, maximum: 1 },
  top_k: { type: 'integer', minimum: -1 },
  min_p: { type: 'number', minimum: 0, maximum: 1 },
  frequency_penalty: { type: 'number', minimum: -2, maximum: 2 },
  presence_penalty: { type: 'number', minimum: -2, maximum: 2 },
  seed: { type: 'integer' },
  stop: {
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: 16 }],
    description: 'Text at which the answer ends.',
  },
  response_format: {
    type: 'object',
    properties: { type: { enum: ['text', 'json_object', 'json_schema'] }, json_schema: { type: 'object' } },
    required: ['type'],
    description: 'For example {"type":"json_schema","json_schema":{"name":"answer","schema":{…}}}.',
  },
  tools: {
    type: 'array',
    items: { type: 'object' },
    description: 'Functions that the model may ask to be called; the calls come back and are not made.',
  },
  tool_choice: { anyOf: [{ type: 'string' }, { type: 'object' }] },
  parallel_tool_calls: { type: 'boolean' },
  reasoning_effort: { type: 'string' },
} as const satisfies Record<string, JsonSchema>;

/** Parameters of one plugin, and what happens to those it does not know. */
export const strictnessProperties = {
  parameters: {
    type: 'object',
    description: 'Further parameters that the plugin of the model declares, by name.',
  },
  strict_params: {
    type: 'boolean',
    description: 'Fail when a parameter cannot be honoured, instead of naming it in ignored_params.',
  },
} as const satisfies Record<string, JsonSchema>;

const usage: JsonSchema = { type: 'object', description: 'Tokens; what is not known is absent.' };
const strings: JsonSchema = { type: 'array', items: { type: 'string' } };

/** An answer as tools give it. */
export const answerProperties = {
  text: { type: 'string' },
  reasoning: { type: 'string' },
  tool_calls: {
    type: 'array',
    items: {
      type: 'object',
      properties: { id: { type: 'string' }, name: { type: 'string' }, arguments: { type: 'string' } },
      required: ['id', 'name', 'arguments'],
    },
  },
  finish_reason: { type: 'string', description: 'stop, length, tool_calls, content_filter, …' },
  model: { type: 'string' },
  plugin: { type: 'string' },
  usage,
  warnings: strings,
  ignored_params: strings,
} as const satisfies Record<string, JsonSchema>;

/** Fields that every answer has. */
export const answerRequired = ['text', 'tool_calls', 'finish_reason', 'model', 'usage'] as const;

export { model as modelSchema, strings as stringsSchema, usage as usageSchema };
