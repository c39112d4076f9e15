import { UnsupportedPolicy, type EmbedRequest, type GenerateRequest } from '@outrigger/proto';
import { nearestAll } from '../config/nearest.js';
import { GatewayError } from '../errors/gateway-error.js';
import type { KnownParameter } from '../registry/parameter-set.js';

type Clear = (request: GenerateRequest) => void;

const sampling =
  (field: keyof NonNullable<GenerateRequest['sampling']>): Clear =>
  (request) => {
    if (request.sampling !== undefined) request.sampling[field] = undefined as never;
  };

/** Common parameters that have fields of their own, and how each field is emptied again. */
const typedFields: Readonly<Record<string, Clear>> = {
  temperature: sampling('temperature'),
  top_p: sampling('topP'),
  top_k: sampling('topK'),
  min_p: sampling('minP'),
  typical_p: sampling('typicalP'),
  frequency_penalty: sampling('frequencyPenalty'),
  presence_penalty: sampling('presencePenalty'),
  repetition_penalty: sampling('repetitionPenalty'),
  seed: sampling('seed'),
  max_tokens: sampling('maxOutputTokens'),
  n: sampling('candidates'),
  top_logprobs: sampling('topLogprobs'),
  logprobs: sampling('topLogprobs'),
  stop: (request) => {
    if (request.sampling !== undefined) request.sampling.stop = [];
  },
  logit_bias: (request) => {
    if (request.sampling !== undefined) request.sampling.logitBias = {};
  },
  tools: (request) => {
    request.tools = [];
    request.toolChoice = undefined;
  },
  tool_choice: (request) => {
    request.toolChoice = undefined;
  },
  parallel_tool_calls: (request) => {
    if (request.toolChoice !== undefined) request.toolChoice.parallel = undefined;
  },
  response_format: (request) => {
    request.outputFormat = undefined;
  },
  reasoning_effort: (request) => {
    request.reasoning = undefined;
  },
  suffix: (request) => {
    request.suffix = '';
  },
  user: (request) => {
    request.endUser = '';
  },
};

/** Parameters that change only how the host answers; no plugin has to know them. */
const hostParameters = new Set(['stream', 'stream_options', 'strict_params', 'encoding_format', 'echo']);

/** Other spellings of common parameters. */
const synonyms: Readonly<Record<string, string>> = { max_completion_tokens: 'max_tokens' };

/**
 * Fits what the caller asked for to what the plugin knows. The plugin's own
 * parameters are checked against their schema and travel in `extensions`; what
 * it does not know is taken out and returned by name, or refused when `strict`.
 */
export function negotiateGenerate(
  request: GenerateRequest,
  asked: ReadonlyMap<string, unknown>,
  known: ReadonlyMap<string, KnownParameter>,
  strict: boolean,
  plugin: string,
): string[] {
  if (asked.size === 0) return [];
  return negotiate(request.extensions, asked, known, strict, plugin, (name) => {
    typedFields[name]?.(request);
  });
}

/** The same for embeddings. */
export function negotiateEmbed(
  request: EmbedRequest,
  asked: ReadonlyMap<string, unknown>,
  known: ReadonlyMap<string, KnownParameter>,
  strict: boolean,
  plugin: string,
): string[] {
  if (asked.size === 0) return [];
  return negotiate(request.extensions, asked, known, strict, plugin, (name) => {
    if (name === 'dimensions') request.dimensions = undefined;
    if (name === 'truncate') request.truncate = undefined;
  });
}

function negotiate(
  extensions: Record<string, string>,
  asked: ReadonlyMap<string, unknown>,
  known: ReadonlyMap<string, KnownParameter>,
  strict: boolean,
  plugin: string,
  clear: (name: string) => void,
): string[] {
  const ignored: string[] = [];
  for (const [spelling, value] of asked) {
    if (hostParameters.has(spelling)) continue;
    const name = synonyms[spelling] ?? spelling;
    const parameter = known.get(name);
    if (parameter === undefined) {
      if (strict) throw unsupported(spelling, known, plugin);
      clear(name);
      ignored.push(spelling);
      continue;
    }
    const wrong = parameter.check(value);
    if (wrong !== undefined) throw new GatewayError('invalid_request', wrong, { param: spelling, plugin });
    if (!(name in typedFields)) extensions[name] = JSON.stringify(value);
  }
  return ignored;
}

function unsupported(name: string, known: ReadonlyMap<string, KnownParameter>, plugin: string): GatewayError {
  const near = nearestAll(name, known.keys());
  const hint = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '';
  return new GatewayError(
    'unsupported_parameter',
    `plugin ${plugin} does not know the parameter ${JSON.stringify(name)}${hint}`,
    {
      param: name,
      plugin,
    },
  );
}

/** The contract's word for strictness. */
export function unsupportedPolicy(strict: boolean): UnsupportedPolicy {
  return strict ? UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL : UnsupportedPolicy.UNSUPPORTED_POLICY_WARN;
}
