import type { McpCall } from '../catalog.js';
import type { ChatMessage, GenerateInput, PortCall } from './ports.js';
import { samplingProperties } from './schemas.js';

/** Arguments that satisfy the schema of a tool. */
export type Args = Readonly<Record<string, unknown>>;

/** A mistake in the arguments that a schema cannot express. */
export class ArgumentError extends Error {
  readonly kind = 'invalid_request';

  constructor(
    readonly param: string,
    message: string,
  ) {
    super(message);
  }
}

/** The conversation that prompt, messages and system stand for. */
export function messagesOf(args: Args): ChatMessage[] {
  const prompt = args.prompt as string | undefined;
  const messages = args.messages as readonly ChatMessage[] | undefined;
  if ((prompt === undefined) === (messages === undefined)) {
    throw new ArgumentError(
      'prompt',
      prompt === undefined
        ? 'arguments.prompt or arguments.messages is missing'
        : 'arguments.prompt and arguments.messages exclude each other; give one of them',
    );
  }
  const asked: readonly ChatMessage[] = messages ?? [{ role: 'user', content: prompt ?? '' }];
  const system = args.system as string | undefined;
  return system === undefined ? [...asked] : [{ role: 'system', content: system }, ...asked];
}

/** A request to generate, but for the model. */
export function generateInputOf(args: Args, model: string): GenerateInput {
  const own: Record<string, unknown> = {};
  for (const name of Object.keys(samplingProperties)) if (args[name] !== undefined) own[name] = args[name];
  const further = (args.parameters as Args | undefined) ?? {};
  for (const name of Object.keys(further)) {
    if (Object.hasOwn(own, name))
      throw new ArgumentError(
        `parameters.${name}`,
        `arguments.${name} is given twice; leave out arguments.parameters.${name}`,
      );
  }
  return {
    model,
    messages: messagesOf(args),
    parameters: { ...further, ...own },
    strictParams: args.strict_params === true,
  };
}

/** The part of a call that goes on into the host. */
export function portCallOf(call: McpCall, signal = call.signal): PortCall {
  const { traceparent } = call.meta;
  return {
    signal,
    requestId: call.requestId,
    ...(call.principal === undefined ? {} : { principal: call.principal }),
    traceparent: typeof traceparent === 'string' ? traceparent : '',
  };
}
