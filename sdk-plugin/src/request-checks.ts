import type { EmbedRequest, GenerateRequest, Sampling } from '@outrigger/proto';
import type { CapabilityDeclaration } from './plugin.js';
import { PluginError } from './plugin-error.js';

interface Violation {
  readonly field: string;
  readonly description: string;
}

type NumberField = {
  [Key in keyof Sampling]-?: NonNullable<Sampling[Key]> extends number ? Key : never;
}[keyof Sampling];

/** The ranges that the contract states, by field: its name on the wire, lowest and highest value. */
const ranges = {
  temperature: ['temperature', 0, 2],
  topP: ['top_p', 0, 1],
  topK: ['top_k', -1, Infinity],
  minP: ['min_p', 0, 1],
  typicalP: ['typical_p', 0, 1],
  frequencyPenalty: ['frequency_penalty', -2, 2],
  presencePenalty: ['presence_penalty', -2, 2],
  repetitionPenalty: ['repetition_penalty', 0, Infinity],
  maxOutputTokens: ['max_output_tokens', 1, Infinity],
  candidates: ['candidates', 1, Infinity],
  topLogprobs: ['top_logprobs', 0, Infinity],
} as const satisfies Record<NumberField, readonly [string, number, number]>;

function outside(field: string, value: number, lowest: number, highest: number): Violation | undefined {
  if (value >= lowest && value <= highest) return undefined;
  const range = highest === Infinity ? `at least ${lowest}` : `between ${lowest} and ${highest}`;
  return { field, description: `must be ${range}, is ${value}` };
}

const numberFields = Object.entries(ranges) as [NumberField, (typeof ranges)[NumberField]][];

function samplingViolations(sampling: Sampling): Violation[] {
  const found: (Violation | undefined)[] = [];
  for (const [key, [name, lowest, highest]] of numberFields) {
    const value = sampling[key];
    if (value !== undefined) found.push(outside(`sampling.${name}`, value, lowest, highest));
  }
  for (const [token, bias] of Object.entries(sampling.logitBias)) {
    found.push(outside(`sampling.logit_bias.${token}`, bias, -100, 100));
  }
  return found.filter((violation) => violation !== undefined);
}

function refuse(violations: readonly Violation[]): void {
  const first = violations[0];
  if (first === undefined) return;
  throw new PluginError('INVALID_REQUEST', `${first.field}: ${first.description}`, { fields: violations });
}

/**
 * Checks what holds for every plugin, so that none has to.
 * @throws PluginError
 */
export function checkGenerate(request: GenerateRequest, declared: CapabilityDeclaration): void {
  const { messages, prompt, sampling } = request;
  if (messages.length === 0 && prompt === undefined) {
    refuse([{ field: 'messages', description: 'must have at least one message, or prompt must be set' }]);
  }
  if (messages.length > 0 && prompt !== undefined) {
    refuse([{ field: 'prompt', description: 'must be unset when there are messages' }]);
  }
  if (prompt === undefined && declared.chat === false) {
    throw new PluginError('UNSUPPORTED_OPERATION', 'this plugin continues prompts and answers no messages');
  }
  if (prompt !== undefined && declared.completion === false) {
    throw new PluginError('UNSUPPORTED_OPERATION', 'this plugin answers messages and continues no prompts');
  }
  if (sampling !== undefined) refuse(samplingViolations(sampling));
}

/**
 * Checks what holds for every plugin, so that none has to.
 * @throws PluginError
 */
export function checkEmbed(request: EmbedRequest): void {
  if (request.inputs.length === 0) refuse([{ field: 'inputs', description: 'must have at least one input' }]);
  const empty = request.inputs.flatMap(({ kind }, index) =>
    kind === undefined ? [{ field: `inputs[${index}]`, description: 'must be a text or tokens' }] : [],
  );
  refuse(empty);
  if (request.dimensions === 0) refuse([{ field: 'dimensions', description: 'must be at least 1' }]);
}
