import type { EmbeddingResult } from './engine.js';
import { EngineError } from './errors.js';

/** Reads the answer to `/v1/embeddings` for so many inputs. */
export function readEmbeddings(body: unknown, inputs: number): EmbeddingResult {
  const { data = [], usage } = (typeof body === 'object' && body !== null ? body : {}) as {
    data?: { index?: number; embedding: string | number[] }[];
    usage?: { prompt_tokens?: number };
  };
  const vectors = new Array<Float32Array | undefined>(inputs).fill(undefined);
  for (const [position, { index, embedding }] of data.entries()) {
    const place = index ?? position;
    if (place < inputs) vectors[place] = floats(embedding);
  }
  const complete = vectors.filter((vector) => vector !== undefined);
  if (complete.length !== inputs) {
    throw new EngineError(
      'engine_error',
      `the engine answered ${inputs} inputs with ${data.length} embeddings`,
    );
  }
  return {
    vectors: complete,
    ...(usage?.prompt_tokens === undefined ? {} : { inputTokens: usage.prompt_tokens }),
  };
}

/** The error for a model that was not loaded for embeddings. */
export function cannotEmbed(remedy: string): EngineError {
  return new EngineError('unsupported', `this model does not make embeddings; ${remedy}`, { param: 'model' });
}

/** A vector as the server sends it: base64 of little-endian floats, or numbers. */
function floats(embedding: string | number[]): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding);
  const bytes = Buffer.from(embedding, 'base64');
  const vector = new Float32Array(bytes.length / 4);
  for (let i = 0; i < vector.length; i++) vector[i] = bytes.readFloatLE(i * 4);
  return vector;
}
