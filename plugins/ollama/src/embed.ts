import { endianness } from 'node:os';
import type { EmbedRequest, EmbedResponse } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';
import type { OllamaConfig } from './config.js';
import { keepAliveText, optionsText } from './generate-request.js';
import type { OllamaClient } from './ollama-client.js';
import type { WireEmbeddings } from './ollama-wire.js';
import { optionNames } from './parameters.js';
import { invalid, Unsupported } from './unsupported.js';

const bigEndian = endianness() === 'BE';

/**
 * Embeds a batch. Texts that are too long are refused unless `truncate` is set.
 * Throws INVALID_REQUEST, UNSUPPORTED_PARAMETER and what the client throws.
 */
export async function embed(
  client: OllamaClient,
  config: OllamaConfig,
  request: EmbedRequest,
  loaded: ReadonlyMap<string, string> | undefined,
  signal: AbortSignal,
): Promise<EmbedResponse> {
  const unsupported = new Unsupported(request.context?.unsupported);
  const body = embedBody(request, config, loaded, unsupported);
  unsupported.check();
  const wire = await client.json<WireEmbeddings>({ path: '/api/embed', body, signal });
  const vectors = wire.embeddings ?? [];
  if (vectors.length !== request.inputs.length) {
    throw new PluginError(
      'UPSTREAM_ERROR',
      `Ollama sent ${vectors.length} embeddings for ${request.inputs.length} inputs`,
    );
  }
  const got = vectors[0]?.length ?? 0;
  if (request.dimensions !== undefined && got !== request.dimensions) {
    // The model's vectors are shorter than what was asked; Ollama says nothing then.
    unsupported.note('dimensions', `the model's vectors have ${got} dimensions, not ${request.dimensions}`);
    unsupported.check();
  }
  const inputTokens = wire.prompt_eval_count;
  return {
    embeddings: vectors.map((vector) => ({ data: float32Bytes(vector), truncated: false })),
    model: wire.model ?? request.model,
    usage: {
      inputTokens,
      outputTokens: undefined,
      cacheReadTokens: undefined,
      cacheWriteTokens: undefined,
      reasoningTokens: undefined,
      estimated: false,
      partial: false,
      timings: undefined,
    },
    warnings: unsupported.warnings,
  };
}

function embedBody(
  request: EmbedRequest,
  config: OllamaConfig,
  loaded: ReadonlyMap<string, string> | undefined,
  unsupported: Unsupported,
): string {
  if (request.model === '') throw invalid('model', 'is missing');
  if (request.inputs.length === 0) throw invalid('inputs', 'at least one input is needed');
  if (request.dimensions === 0) throw invalid('dimensions', 'must be at least 1');
  const texts = request.inputs.map(({ kind }, index) => {
    if (kind?.$case === 'text') return JSON.stringify(kind.value);
    throw invalid(`inputs[${index}]`, 'Ollama embeds text, not token ids');
  });
  const options = new Map([...config.options, ...(loaded ?? [])]);
  let keepAlive = keepAliveText(request.context?.keepAlive);
  for (const [name, json] of Object.entries(request.extensions)) {
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      throw invalid(name, 'is not JSON');
    }
    const plain = typeof value === 'number' || typeof value === 'boolean';
    if (value === null) continue;
    if (name === 'keep_alive' && (plain || typeof value === 'string')) keepAlive ??= json;
    else if (!optionNames.has(name)) unsupported.note(name, 'Ollama does not know it');
    else if (plain) options.set(name, json);
    else throw invalid(name, 'must be a number or a boolean');
  }
  keepAlive ??= config.keepAlive;
  const dimensions = request.dimensions === undefined ? '' : `,"dimensions":${request.dimensions}`;
  const kept = keepAlive === undefined ? '' : `,"keep_alive":${keepAlive}`;
  // Ollama cuts long inputs when it is not told otherwise.
  return `{"model":${JSON.stringify(request.model)},"input":[${texts.join(',')}],"truncate":${request.truncate ?? false}${dimensions}${kept},"options":{${optionsText(options)}}}`;
}

function float32Bytes(vector: readonly number[]): Buffer {
  const bytes = Buffer.from(Float32Array.from(vector).buffer);
  return bigEndian ? bytes.swap32() : bytes;
}
