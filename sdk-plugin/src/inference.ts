import { InferenceDefinition, methodsOf } from '@outrigger/proto';
import type { Handlers } from './caller.js';
import type { Calls } from './calls.js';
import { generateFraming } from './generate-framing.js';
import { checkEmbed, checkGenerate } from './request-checks.js';
import { unsupported, type PluginInstance } from './instance.js';
import type { CapabilityDeclaration } from './plugin.js';

/** Inference, for plugins that have any of its handlers. */
export function inferenceService(instance: PluginInstance, calls: Calls): Handlers | undefined {
  const { definition } = instance;
  if (!definition.generate && !definition.embed && !definition.countTokens) return undefined;
  const methods = methodsOf(InferenceDefinition);
  const declared = (): CapabilityDeclaration => {
    const { capabilities } = definition;
    return (typeof capabilities === 'function' ? capabilities() : capabilities) ?? {};
  };
  const work = { work: true, configured: true } as const;
  return {
    generate: calls.stream(
      methods.generate,
      { ...work, context: (request) => request.context },
      (request, context) => {
        if (!definition.generate) throw unsupported(InferenceDefinition, 'Generate');
        checkGenerate(request, declared());
        return definition.generate(request, context);
      },
      (_, encode) => generateFraming(encode),
    ),
    embed: calls.unary(
      methods.embed,
      { ...work, context: (request) => request.context },
      async (request, context) => {
        if (!definition.embed) throw unsupported(InferenceDefinition, 'Embed');
        checkEmbed(request);
        const response = await definition.embed(request, context);
        if (response.embeddings.length !== request.inputs.length) {
          const counts = `${response.embeddings.length} embeddings for ${request.inputs.length} inputs`;
          throw new Error(`embed returned ${counts}`);
        }
        return response;
      },
    ),
    countTokens: calls.unary(
      methods.countTokens,
      { ...work, context: (request) => request.request?.context },
      async (request, context) => {
        if (!definition.countTokens) throw unsupported(InferenceDefinition, 'CountTokens');
        return definition.countTokens(request, context);
      },
    ),
  };
}
