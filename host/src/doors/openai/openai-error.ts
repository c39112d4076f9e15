import type { GatewayError } from '../../errors/gateway-error.js';

/** An error as OpenAI shapes it; all four keys are always there. */
export interface OpenAiError {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** An error in the words of the OpenAI door. */
export function openaiError(error: GatewayError): OpenAiError {
  const { openaiType, openaiCode } = error.row;
  return {
    error: { message: error.message, type: openaiType, param: error.param ?? null, code: openaiCode },
  };
}
