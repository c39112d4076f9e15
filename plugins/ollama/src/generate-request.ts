import { ToolChoice_Mode, type Duration, type GenerateRequest, type Tool } from '@outrigger/proto';
import type { OllamaConfig } from './config.js';
import { isObjectText } from './json-text.js';
import { chatMessages } from './messages.js';
import { optionNames } from './parameters.js';
import { thinkOf, type ThinkingAbility } from './thinking.js';
import { invalid, Unsupported } from './unsupported.js';

/** A Generate request as Ollama takes it. */
export interface UpstreamRequest {
  readonly path: '/api/chat' | '/api/generate';
  readonly body: string;
  readonly unsupported: Unsupported;
  /** The caller's limit, for telling a full context from a reached limit. */
  readonly maxOutputTokens: number | undefined;
  /** The context that the request asks for, where it does. */
  readonly contextLength: number | undefined;
}

/** Most alternatives per token that Ollama returns. */
const maxTopLogprobs = 20;

/**
 * Builds the request. JSON of the caller's goes in as text, so that the order of
 * a schema's properties and the digits of large numbers stay. Throws
 * INVALID_REQUEST and, if the policy says so, UNSUPPORTED_PARAMETER.
 */
export function upstreamRequest(
  request: GenerateRequest,
  config: OllamaConfig,
  loaded: ReadonlyMap<string, string> | undefined,
  ability: ThinkingAbility | undefined,
): UpstreamRequest {
  const unsupported = new Unsupported(request.context?.unsupported);
  const options = new Map([...config.options, ...(loaded ?? [])]);
  if (request.model === '') throw invalid('model', 'is missing');
  let body = `{"model":${JSON.stringify(request.model)}`;
  const chat = request.prompt === undefined;
  if (chat) {
    if (request.messages.length === 0) throw invalid('messages', 'at least one message is needed');
    if (request.suffix !== '') throw invalid('suffix', 'goes with a prompt, not with messages');
    body += `,"messages":${chatMessages(request.messages, unsupported)}${toolsOf(request, unsupported)}`;
  } else {
    body += promptOf(request, unsupported);
  }
  body += `,"stream":${!request.unary}${formatOf(request)}`;
  const extra = extensionsOf(request, options, unsupported);
  body += `,"truncate":${extra.truncate ?? config.truncate},"shift":${extra.shift ?? config.shift}`;
  const think = extra.think ?? thinkOf(request, ability, unsupported);
  if (think !== undefined) body += `,"think":${think}`;
  const keepAlive = keepAliveText(request.context?.keepAlive) ?? extra.keepAlive ?? config.keepAlive;
  if (keepAlive !== undefined) body += `,"keep_alive":${keepAlive}`;
  body += samplingOf(request, options, unsupported);
  if (request.endUser !== '') unsupported.note('user', 'Ollama does not take it');
  unsupported.check();
  return {
    path: chat ? '/api/chat' : '/api/generate',
    body: `${body},"options":{${optionsText(options)}}}`,
    unsupported,
    maxOutputTokens: numberOf(options.get('num_predict')),
    contextLength: numberOf(options.get('num_ctx')),
  };
}

/** Options as the inside of a JSON object. */
export function optionsText(options: ReadonlyMap<string, string>): string {
  const members: string[] = [];
  for (const [name, value] of options) members.push(`${JSON.stringify(name)}:${value}`);
  return members.join(',');
}

/** A duration as Ollama's `keep_alive` in seconds; negative keeps the model. */
export function keepAliveText(duration: Duration | undefined): string | undefined {
  if (duration === undefined) return undefined;
  const seconds = Number(duration.seconds) + duration.nanos / 1e9;
  return seconds < 0 ? '-1' : String(seconds);
}

function numberOf(text: string | undefined): number | undefined {
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

function promptOf(request: GenerateRequest, unsupported: Unsupported): string {
  const { prompt = '', suffix } = request;
  // Ollama takes an empty prompt for the wish to load the model, and answers nothing.
  if (prompt === '') throw invalid('prompt', 'must not be empty');
  if (request.messages.length > 0) throw invalid('messages', 'must be empty when there is a prompt');
  if (request.tools.length > 0) unsupported.note('tools', 'a raw prompt has no tools; use messages');
  const text = `,"prompt":${JSON.stringify(prompt)}`;
  // Filling a gap needs the template: it knows how the model marks prefix and suffix.
  return suffix === '' ? `${text},"raw":true` : `${text},"suffix":${JSON.stringify(suffix)}`;
}

function toolsOf(request: GenerateRequest, unsupported: Unsupported): string {
  const { toolChoice } = request;
  let { tools } = request;
  if (toolChoice?.parallel === false) {
    unsupported.note('parallel_tool_calls', 'Ollama cannot keep a model to one call at a time');
  }
  switch (toolChoice?.mode) {
    case ToolChoice_Mode.MODE_NONE:
      return '';
    case ToolChoice_Mode.MODE_REQUIRED:
    case ToolChoice_Mode.MODE_TOOL: {
      const { names } = toolChoice;
      if (names.length > 0) tools = tools.filter(({ name }) => names.includes(name));
      if (tools.length === 0) throw invalid('tool_choice', 'names a tool that is not among the tools');
      unsupported.note('tool_choice', 'Ollama cannot make a model call a tool; it decides itself');
    }
  }
  if (tools.length === 0) return '';
  return `,"tools":[${tools.map((tool, index) => toolText(tool, index, unsupported)).join(',')}]`;
}

function toolText(tool: Tool, index: number, unsupported: Unsupported): string {
  const parameters =
    tool.parametersJson.trim() === '' ? '{"type":"object","properties":{}}' : tool.parametersJson;
  if (!isObjectText(parameters)) {
    throw invalid(
      `tools[${index}].parameters_json`,
      `the schema of ${JSON.stringify(tool.name)} is not a JSON object`,
    );
  }
  if (tool.strict === true) {
    unsupported.note(`tools[${index}].strict`, 'Ollama does not hold arguments to their schema');
  }
  const description = tool.description === '' ? '' : `"description":${JSON.stringify(tool.description)},`;
  return `{"type":"function","function":{"name":${JSON.stringify(tool.name)},${description}"parameters":${parameters}}}`;
}

function formatOf({ outputFormat }: GenerateRequest): string {
  switch (outputFormat?.kind?.$case) {
    case 'json':
      return ',"format":"json"';
    case 'jsonSchema': {
      const { schemaJson } = outputFormat.kind.value;
      if (!isObjectText(schemaJson)) {
        throw invalid(
          'output_format.json_schema.schema_json',
          'is not a JSON object; Ollama takes no other schemas',
        );
      }
      return `,"format":${schemaJson}`;
    }
    default:
      return '';
  }
}

interface Extra {
  truncate?: string;
  shift?: string;
  think?: string;
  keepAlive?: string;
}

function extensionsOf(
  request: GenerateRequest,
  options: Map<string, string>,
  unsupported: Unsupported,
): Extra {
  const extra: Extra = {};
  for (const [name, json] of Object.entries(request.extensions)) {
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      throw invalid(name, 'is not JSON');
    }
    if (value === null) continue;
    if (optionNames.has(name)) {
      if (typeof value !== 'number' && typeof value !== 'boolean')
        throw invalid(name, 'must be a number or a boolean');
      options.set(name, json);
    } else if (name === 'truncate' || name === 'shift') {
      if (typeof value !== 'boolean') throw invalid(name, 'must be true or false');
      extra[name] = json;
    } else if (name === 'think' || name === 'keep_alive') {
      if (typeof value === 'object') throw invalid(name, 'must be a plain value');
      extra[name === 'think' ? 'think' : 'keepAlive'] = json;
    } else {
      unsupported.note(name, 'Ollama does not know it');
    }
  }
  return extra;
}

function samplingOf(
  request: GenerateRequest,
  options: Map<string, string>,
  unsupported: Unsupported,
): string {
  const { sampling } = request;
  if (sampling === undefined) return '';
  const set = (name: string, field: string, value: number | bigint | undefined): void => {
    if (value === undefined) return;
    if (typeof value === 'number' && !Number.isFinite(value)) throw invalid(field, 'must be a finite number');
    options.set(name, String(value));
  };
  set('num_predict', 'max_tokens', sampling.maxOutputTokens);
  set('temperature', 'temperature', sampling.temperature);
  set('top_k', 'top_k', sampling.topK);
  set('top_p', 'top_p', sampling.topP);
  set('min_p', 'min_p', sampling.minP);
  set('repeat_penalty', 'repetition_penalty', sampling.repetitionPenalty);
  set('presence_penalty', 'presence_penalty', sampling.presencePenalty);
  set('frequency_penalty', 'frequency_penalty', sampling.frequencyPenalty);
  set('seed', 'seed', sampling.seed);
  if (sampling.stop.length > 0) options.set('stop', JSON.stringify(sampling.stop));
  if (sampling.typicalP !== undefined) unsupported.note('typical_p', 'Ollama no longer takes it');
  if ((sampling.candidates ?? 1) > 1) unsupported.note('n', 'Ollama gives one answer per request');
  if (Object.keys(sampling.logitBias).length > 0) unsupported.note('logit_bias', 'Ollama does not take it');
  if (sampling.topLogprobs === undefined) return '';
  if (sampling.topLogprobs < 0 || sampling.topLogprobs > maxTopLogprobs) {
    throw invalid('top_logprobs', `must be between 0 and ${maxTopLogprobs}`);
  }
  return `,"logprobs":true,"top_logprobs":${sampling.topLogprobs}`;
}
