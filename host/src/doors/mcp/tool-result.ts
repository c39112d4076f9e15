import type { JsonSchema, ToolResult } from './catalog.js';
import type { Check } from './schema-compiler.js';

/** An error that a caller of a tool may see. */
export interface ToolError {
  /** A kind of the error table. */
  readonly kind: string;
  readonly message: string;
  readonly param?: string;
  readonly retryAfterMs?: number;
}

/** The schema of `ToolError`. */
export const toolErrorSchema: JsonSchema = {
  type: 'object',
  properties: {
    kind: { type: 'string' },
    message: { type: 'string' },
    param: { type: 'string' },
    retryAfterMs: { type: 'number' },
  },
  required: ['kind', 'message'],
};

/**
 * An output schema that admits failure as well: some clients check the structured content
 * of failed calls against it too, and would hide the error behind one of their own.
 */
export function orError(schema: {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
}): JsonSchema {
  return {
    type: 'object',
    properties: { ...schema.properties, error: toolErrorSchema },
    anyOf: [{ required: schema.required }, { required: ['error'] }],
  };
}

/** A result of text, with `structured` as its structured content. */
export function textResult(text: string, rest: Omit<ToolResult, 'content'> = {}): ToolResult {
  return { content: [{ type: 'text', text }], ...rest };
}

/** A result whose text is its structured content as JSON. */
export function jsonResult(structured: Readonly<Record<string, unknown>>): ToolResult {
  return textResult(JSON.stringify(structured), { structuredContent: structured });
}

/** What was thrown, when it is meant for the caller: anything with a kind and a message. */
export function errorOf(thrown: unknown): ToolError | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const { kind, message, param, retryAfterMs } = thrown as Record<string, unknown>;
  if (typeof kind !== 'string' || typeof message !== 'string') return undefined;
  return {
    kind,
    message,
    ...(typeof param === 'string' ? { param } : {}),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  };
}

/** A failed call. The error is structured content where the output schema allows, and always in `_meta`. */
export function errorResult(error: ToolError, checkOutput?: Check): ToolResult {
  const structured = { error };
  const fits = checkOutput?.(structured) === undefined;
  return textResult(error.message, {
    isError: true,
    meta: { 'outrigger/error': error },
    ...(fits ? { structuredContent: structured } : {}),
  });
}
