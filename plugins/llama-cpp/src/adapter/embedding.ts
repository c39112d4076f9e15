import { UnsupportedPolicy, Usage, type EmbedRequest, type EmbedResponse } from '@outrigger/proto';
import { PluginError, type CallContext } from '@outrigger/sdk-plugin';
import { withEngine } from './leasing.js';
import type { PluginState } from './state.js';

/** Answers an Embed request. */
export async function embed(
  state: PluginState,
  request: EmbedRequest,
  context: CallContext,
): Promise<EmbedResponse> {
  const model = await state.find(request.model);
  const inputs = request.inputs.map(({ kind }, index) => {
    if (kind === undefined) throw new PluginError('INVALID_REQUEST', `inputs[${index}]: it is empty`);
    return kind.$case === 'text' ? kind.value : kind.value.ids;
  });
  const warnings = leftOut(request, model.facts.embeddingLength);
  return withEngine(state, model.id, context, request.context?.keepAlive, async (engine) => {
    const { vectors, inputTokens } = await engine.embed(inputs, context.signal);
    return {
      model: model.id,
      warnings,
      embeddings: vectors.map((vector) => ({ data: littleEndian(vector), truncated: false })),
      usage: Usage.create({ inputTokens }),
    };
  });
}

/** The engines give vectors of one length, and refuse what is too long. */
function leftOut(request: EmbedRequest, length: number | undefined): EmbedResponse['warnings'] {
  const warnings: EmbedResponse['warnings'] = [];
  const add = (field: string, message: string): void => {
    warnings.push({ code: 'unsupported_parameter', field, message: `${field}: ${message}` });
  };
  if (request.dimensions !== undefined && request.dimensions !== length) {
    add('dimensions', `this model's vectors have ${length ?? 'a fixed number of'} numbers`);
  }
  if (request.truncate === true) add('truncate', 'inputs that are too long are refused');
  const first = warnings[0];
  if (first !== undefined && request.context?.unsupported === UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL) {
    throw new PluginError('UNSUPPORTED_PARAMETER', first.message, {
      fields: warnings.map(({ field, message }) => ({ field, description: message })),
    });
  }
  return warnings;
}

function littleEndian(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}
