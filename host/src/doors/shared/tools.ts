import { ToolChoice_Mode, type GenerateRequest, type Tool, type ToolChoice } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import type { ChatInput } from './requests.js';

const noParameters = '{"type":"object","properties":{}}';

/** Fills in tools and which of them may be called. */
export function applyTools(input: ChatInput, request: GenerateRequest): void {
  const tools = (input.tools ?? []).map(toTool);
  const choice = toChoice(input, tools);
  request.tools =
    choice?.allowed === undefined ? tools : tools.filter((tool) => choice.allowed?.has(tool.name));
  if (choice !== undefined) request.toolChoice = choice.choice;
}

function toTool({ function: wanted }: NonNullable<ChatInput['tools']>[number]): Tool {
  return {
    name: wanted.name,
    description: wanted.description ?? '',
    // Stringified from the parsed value, which keeps the order of the properties.
    parametersJson: wanted.parameters ? JSON.stringify(wanted.parameters) : noParameters,
    strict: wanted.strict ?? undefined,
  };
}

interface Choice {
  readonly choice: ToolChoice;
  /** The caller narrowed the tools without demanding a call: the others are not shown to the model. */
  readonly allowed?: ReadonlySet<string>;
}

function toChoice(input: ChatInput, tools: readonly Tool[]): Choice | undefined {
  const wanted = input.tool_choice ?? undefined;
  const parallel = input.parallel_tool_calls ?? undefined;
  if (tools.length === 0) {
    if (wanted !== undefined && wanted !== 'none' && wanted !== 'auto') {
      throw wrong('`tool_choice` asks for a tool, but `tools` is empty');
    }
    return undefined;
  }
  if (wanted === undefined) {
    if (parallel === undefined) return undefined;
    return { choice: { mode: ToolChoice_Mode.MODE_AUTO, names: [], parallel } };
  }
  if (typeof wanted === 'string') return { choice: { mode: modes[wanted], names: [], parallel } };
  if (wanted.type === 'function') {
    const names = [known(wanted.function.name, tools)];
    return { choice: { mode: ToolChoice_Mode.MODE_TOOL, names, parallel } };
  }
  const names = wanted.allowed_tools.tools.map((one) => known(one.function.name, tools));
  if (wanted.allowed_tools.mode === 'required') {
    return { choice: { mode: ToolChoice_Mode.MODE_REQUIRED, names, parallel } };
  }
  return { choice: { mode: ToolChoice_Mode.MODE_AUTO, names: [], parallel }, allowed: new Set(names) };
}

const modes = {
  none: ToolChoice_Mode.MODE_NONE,
  auto: ToolChoice_Mode.MODE_AUTO,
  required: ToolChoice_Mode.MODE_REQUIRED,
} as const;

function known(name: string, tools: readonly Tool[]): string {
  if (tools.some((tool) => tool.name === name)) return name;
  throw wrong(`\`tool_choice\` names ${JSON.stringify(name)}, which is not among \`tools\``);
}

function wrong(message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param: 'tool_choice' });
}
