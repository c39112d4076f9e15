import type { GenerationRequest } from './engine.js';
import { EngineError } from './errors.js';

/**
 * The server makes schemas and tools into grammars, and its errors speak of what it made. The caller is told of the
 * field that the request has.
 */
export function blameWhatWasSent(error: Error, request: GenerationRequest): Error {
  if (!(error instanceof EngineError)) return error;
  const { param } = error.details;
  if (param !== 'grammar' && param !== 'response_format') return error;
  const sent = {
    grammar: request.extra?.['grammar'] !== undefined,
    response_format: request.format !== undefined,
    tools: request.input.kind === 'chat' && request.input.tools.length > 0,
  };
  const blamed = sent[param]
    ? param
    : (['response_format', 'tools', 'grammar'] as const).find((field) => sent[field]);
  if (blamed === undefined || blamed === param) return error;
  return new EngineError(error.kind, error.message, { ...error.details, param: blamed, cause: error });
}
