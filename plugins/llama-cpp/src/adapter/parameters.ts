import type { CapabilityDeclaration, ParameterDeclaration } from '@outrigger/sdk-plugin';
import type { EngineKind } from '../model-settings.js';

const number = (minimum: number, maximum: number) => ({ type: 'number', minimum, maximum });
const integer = (minimum: number, maximum = 2_147_483_647) => ({ type: 'integer', minimum, maximum });

/** Common parameters that both engines honour. */
const COMMON = [
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
  'logit_bias',
  'tools',
  'tool_choice',
  'response_format',
  'reasoning_effort',
] as const;

/** Common parameters that only llama-server honours. */
const SERVER_COMMON = ['typical_p', 'n', 'logprobs', 'top_logprobs', 'parallel_tool_calls'] as const;

/** llama.cpp's own parameters that both engines honour. */
const OWN: readonly ParameterDeclaration[] = [
  {
    name: 'grammar',
    schema: { type: 'string', minLength: 1, maxLength: 262_144 },
    description: 'A grammar in GBNF that the answer follows; not together with tools or response_format.',
  },
  {
    name: 'repeat_penalty',
    schema: number(0, 100),
    description: 'Penalty on repeated tokens; the same as repetition_penalty.',
  },
  {
    name: 'repeat_last_n',
    schema: integer(-1),
    description: 'How many of the last tokens count for penalties.',
  },
];

/** llama-server's own parameters, passed on as they are. */
const SERVER_OWN: readonly ParameterDeclaration[] = [
  {
    name: 'ignore_eos',
    schema: { type: 'boolean' },
    description: 'Go on after the end of the answer, up to max_tokens.',
  },
  {
    name: 'cache_prompt',
    schema: { type: 'boolean' },
    description: 'Reuse what the slot holds of the prompt; default true.',
  },
  { name: 'id_slot', schema: integer(-1, 255), description: 'The slot to run in; -1 is any.' },
  {
    name: 'mirostat',
    schema: { enum: [0, 1, 2] },
    description: 'Mirostat sampling: 0 off, 1 or 2 its version.',
  },
  { name: 'mirostat_tau', schema: number(0, 100), description: 'Target entropy of Mirostat.' },
  { name: 'mirostat_eta', schema: number(0, 10), description: 'Learning rate of Mirostat.' },
  { name: 'dynatemp_range', schema: number(0, 10), description: 'Range of the dynamic temperature.' },
  { name: 'dynatemp_exponent', schema: number(0, 10), description: 'Exponent of the dynamic temperature.' },
  {
    name: 'top_n_sigma',
    schema: number(-1, 100),
    description: 'Keeps tokens within so many standard deviations of the best.',
  },
  { name: 'xtc_probability', schema: number(0, 1), description: 'How often the best tokens are left out.' },
  {
    name: 'xtc_threshold',
    schema: number(0, 1),
    description: 'Probability above which a token may be left out.',
  },
  {
    name: 'dry_multiplier',
    schema: number(0, 100),
    description: 'Strength of the DRY penalty on repetition.',
  },
  { name: 'dry_base', schema: number(0, 100), description: 'Base of the DRY penalty.' },
  { name: 'dry_allowed_length', schema: integer(0), description: 'Repetition that costs nothing under DRY.' },
  {
    name: 'dry_penalty_last_n',
    schema: integer(-1),
    description: 'How many of the last tokens DRY looks at.',
  },
  {
    name: 'dry_sequence_breakers',
    schema: { type: 'array', items: { type: 'string' }, maxItems: 64 },
    description: 'Texts that end a repetition for DRY.',
  },
  {
    name: 'samplers',
    schema: { type: 'array', items: { type: 'string' }, maxItems: 32 },
    description: 'Samplers in the order in which they are applied.',
  },
  { name: 'min_keep', schema: integer(0), description: 'Tokens that samplers must leave.' },
  {
    name: 'n_keep',
    schema: integer(-1),
    description: 'Tokens of the prompt that stay when the context is shifted.',
  },
  {
    name: 't_max_predict_ms',
    schema: integer(0),
    description: 'Longest time of generation, in milliseconds.',
  },
  {
    name: 'reasoning_format',
    schema: { enum: ['none', 'auto', 'deepseek', 'deepseek-legacy'] },
    description: 'How reasoning is told apart from the answer.',
  },
  {
    name: 'chat_template_kwargs',
    schema: { type: 'object' },
    description: 'Further values for the chat template, for example {"enable_thinking": false}.',
  },
];

/** The names of llama.cpp's own parameters that reach the engine as they are. */
export function passedOn(engine: EngineKind): ReadonlySet<string> {
  const own = engine === 'llama-server' ? [...OWN, ...SERVER_OWN] : OWN;
  return new Set(own.map(({ name }) => name));
}

/** What this plugin can do with an engine, all models together. */
export function declaredCapabilities(engine: EngineKind): CapabilityDeclaration {
  const full = engine === 'llama-server';
  return {
    parameters: [...COMMON, ...(full ? SERVER_COMMON : []), ...OWN, ...(full ? SERVER_OWN : [])],
    swapMode: 'overlap',
    pullPrefixes: ['hf:', 'https://', 'http://'],
  };
}
