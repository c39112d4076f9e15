import { z } from 'zod';
import { GatewayError } from '../../errors/gateway-error.js';
import type { GenerateCall } from '../../router/inference.js';
import { chatSchema } from '../shared/requests.js';
import { chatCall, completionCall, parseChat, parseCompletion } from '../shared/generate-call.js';

/** Body of POST /mcp/v1/chat: `messages`, or `prompt` for the plain continuation of a text. */
export const restChatSchema = chatSchema.extend({
  messages: chatSchema.shape.messages.optional(),
  prompt: z.string().optional().describe('A text to continue as it stands, instead of `messages`.'),
  system: z.string().nullish().describe('Instructions; the same as a first message with the role `system`.'),
  parameters: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe('Parameters may also be gathered here instead of beside `messages`.'),
});

/** A call and whether it is to be streamed. */
export interface RestCall {
  readonly call: GenerateCall;
  readonly stream: boolean;
}

/** The body of a REST chat request as a call: rewritten into the shape of the one mapping that all doors share. */
export function restCall(body: Readonly<Record<string, unknown>>): RestCall {
  const { system, ...input } = flatten(body);
  if (input['prompt'] !== undefined && input['messages'] !== undefined) {
    throw invalid('send either `messages` or `prompt`', 'prompt');
  }
  if (input['prompt'] !== undefined) {
    if (typeof system === 'string')
      throw invalid('`system` goes with `messages`, not with `prompt`', 'system');
    const parsed = parseCompletion(input);
    return { call: completionCall(parsed), stream: parsed.stream === true };
  }
  if (system !== undefined && system !== null) {
    if (typeof system !== 'string') throw invalid('`system` must be a string', 'system');
    if (Array.isArray(input['messages'])) {
      input['messages'] = [{ role: 'system', content: system }, ...(input['messages'] as unknown[])];
    }
  }
  const parsed = parseChat(input);
  return { call: chatCall(parsed), stream: parsed.stream === true };
}

/** Parameters from `parameters` beside the others; the same one in both places is a mistake. */
export function flatten(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { parameters, ...rest } = body;
  const input: Record<string, unknown> = rest;
  if (parameters === undefined || parameters === null) return input;
  if (typeof parameters !== 'object' || Array.isArray(parameters)) {
    throw invalid('`parameters` must be an object', 'parameters');
  }
  for (const [name, value] of Object.entries(parameters)) {
    const param = `parameters.${name.slice(0, 100)}`;
    if (Object.hasOwn(input, name)) throw invalid(`\`${name}\` is given twice`, param);
    if (reserved.has(name))
      throw invalid(`\`${name}\` is no parameter; it stands beside \`parameters\``, param);
    input[name] = value;
  }
  return input;
}

const reserved = new Set(['model', 'messages', 'prompt', 'input', 'system', 'stream']);

function invalid(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', message, { param });
}
