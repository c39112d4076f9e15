import type { ParameterDeclaration } from '@outrigger/sdk-plugin';

const integer = { type: 'integer' } as const;
const natural = { type: 'integer', minimum: 0 } as const;
const keepAlive: ParameterDeclaration = {
  name: 'keep_alive',
  schema: {
    anyOf: [{ type: 'number' }, { type: 'string', pattern: '^-?([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$' }],
  },
  description: 'How long the model stays loaded: seconds, or a duration such as "10m"; negative keeps it.',
};

/** Options of the runner and of sampling that have no name of their own in the contract. */
export const optionParameters: readonly ParameterDeclaration[] = [
  {
    name: 'num_ctx',
    schema: { type: 'integer', minimum: 1 },
    description: 'Tokens of context to run the model with; another value than before loads it anew.',
  },
  { name: 'num_predict', schema: integer, description: 'The same as max_tokens; -1 is no limit.' },
  {
    name: 'num_keep',
    schema: integer,
    description: 'Tokens at the beginning that stay when the context is shifted.',
  },
  {
    name: 'num_batch',
    schema: { type: 'integer', minimum: 1 },
    description: 'Tokens of the prompt read at once.',
  },
  { name: 'num_gpu', schema: integer, description: 'Layers to put on the GPU; -1 lets Ollama choose.' },
  { name: 'main_gpu', schema: natural, description: 'The GPU for small tensors.' },
  { name: 'num_thread', schema: natural, description: 'CPU threads; 0 lets Ollama choose.' },
  { name: 'use_mmap', schema: { type: 'boolean' }, description: 'Map the weights into memory.' },
  {
    name: 'draft_num_predict',
    schema: natural,
    description: 'Tokens to draft ahead, for models that have a draft.',
  },
  {
    name: 'repeat_last_n',
    schema: { type: 'integer', minimum: -1 },
    description: 'How far back repetition is penalised; 0 is off, -1 the whole context.',
  },
  { name: 'repeat_penalty', schema: { type: 'number' }, description: 'The same as repetition_penalty.' },
];

/** What `generate` understands. `typical_p` is missing on purpose: Ollama refuses it. */
export const generateParameters: readonly (string | ParameterDeclaration)[] = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'frequency_penalty',
  'presence_penalty',
  'repetition_penalty',
  'seed',
  'stop',
  'max_tokens',
  'tools',
  'tool_choice',
  'response_format',
  'reasoning_effort',
  'logprobs',
  'top_logprobs',
  'suffix',
  ...optionParameters,
  keepAlive,
  {
    name: 'think',
    schema: { anyOf: [{ type: 'boolean' }, { type: 'string', minLength: 1, maxLength: 64 }] },
    description:
      'Reason before answering: true, false, or a level that the model knows ("low", "medium", "high").',
  },
  {
    name: 'truncate',
    schema: { type: 'boolean' },
    description: 'Leave out the oldest messages when the prompt is too long, instead of refusing it.',
  },
  {
    name: 'shift',
    schema: { type: 'boolean' },
    description: 'Forget the beginning when the context is full, instead of ending the answer.',
  },
];

/** What `embed` understands. */
export const embedParameters: readonly (string | ParameterDeclaration)[] = [
  'dimensions',
  'truncate',
  keepAlive,
  ...optionParameters.filter(({ name }) =>
    ['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'num_thread', 'use_mmap'].includes(name),
  ),
];

/** Names of the options among the extensions. */
export const optionNames: ReadonlySet<string> = new Set(optionParameters.map(({ name }) => name));
