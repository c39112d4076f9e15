import { z } from 'zod';
import { messageSchema } from './content-schema.js';
import { chatShape, deliveryShape } from './parameter-schema.js';
import { UnreadKeys } from './unread-keys.js';

/** Objects and lists of a body of which the doors read certain keys; others are parameters by their path. */
const structures = (
  [
    ['messages', z.array(messageSchema)],
    ['tools', chatShape.tools],
    ['tool_choice', chatShape.tool_choice],
    ['response_format', chatShape.response_format],
    ['stream_options', deliveryShape.stream_options],
  ] as const
).map(([name, schema]) => ({ name, unread: new UnreadKeys(schema) }));

/** What a request is about; everything else that the caller set is a parameter. */
const notParameters = new Set(['model', 'messages', 'prompt', 'input', 'stream', 'stream_options', 'system']);

/**
 * The parameters that the caller set, by the caller's spelling, with their JSON values.
 * `null` is unset; so are values that ask for nothing (`n: 1`, no tools …): clients send
 * them out of habit, and a warning about each would be noise.
 */
export function collectParameters(input: Readonly<Record<string, unknown>>): Map<string, unknown> {
  const parameters = new Map<string, unknown>();
  for (const name in input) {
    if (notParameters.has(name)) continue;
    const value = input[name];
    if (value === null || value === undefined || asksNothing(name, value, input)) continue;
    // As a number, because JSON has no other; the exact one stands in the typed field.
    parameters.set(name, typeof value === 'bigint' ? Number(value) : value);
  }
  for (const { name, unread } of structures) unread.collect(name, input[name], parameters);
  return parameters;
}

function asksNothing(name: string, value: unknown, input: Readonly<Record<string, unknown>>): boolean {
  switch (name) {
    case 'n':
    case 'best_of':
      return value === 1;
    case 'echo':
    case 'store':
      return value === false;
    case 'logprobs':
      return value === false;
    case 'top_logprobs':
      return value === 0 && input['logprobs'] !== true;
    case 'suffix':
    case 'user':
      return value === '';
    case 'tools':
    case 'stop':
      return Array.isArray(value) && value.length === 0;
    case 'logit_bias':
    case 'metadata':
      return typeof value === 'object' && Object.keys(value ?? {}).length === 0;
    case 'response_format':
      return (value as { type?: unknown }).type === 'text';
    case 'tool_choice':
      return value === 'auto' || (value === 'none' && !hasTools(input));
    case 'parallel_tool_calls':
      return !hasTools(input);
    default:
      return false;
  }
}

function hasTools(input: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(input['tools']) && input['tools'].length > 0;
}
