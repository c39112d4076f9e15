import type { Embedded } from '../../router/inference.js';
import { remarks } from '../shared/remarks.js';
import { vectorNumbers } from '../shared/vectors.js';

/** Embeddings as OpenAI shapes them. Base64 is of little-endian 32-bit floats, as the contract has them. */
export function embeddingResponse({ served, response }: Embedded, base64: boolean): object {
  const input = response.usage?.inputTokens;
  const said = remarks(served, response.warnings, []);
  return {
    object: 'list',
    data: response.embeddings.map((one, index) => ({
      object: 'embedding',
      index,
      embedding: base64 ? one.data.toString('base64') : vectorNumbers(one),
    })),
    model: served.model,
    ...(input === undefined ? {} : { usage: { prompt_tokens: input, total_tokens: input } }),
    ...(said === undefined ? {} : { outrigger: said }),
  };
}
