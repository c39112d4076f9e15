import type { LlamaGrammar } from 'node-llama-cpp';
import type { ChatTool, GenerationRequest } from '../engine/engine.js';
import { EngineError } from '../engine/errors.js';
import { withGatheredReferences } from './references.js';
import type { EmbeddedRuntime } from './runtime.js';

/** JSON Schema keywords that the library's grammars pass over. */
const UNENFORCED = [
  'pattern',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'uniqueItems',
  'not',
  'allOf',
  'if',
  'contains',
  'patternProperties',
  'propertyNames',
  'dependentRequired',
] as const;
const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);

/** Keywords of a schema that will not be enforced. Throws on a type that JSON Schema does not have. */
export function unenforcedKeywords(schema: unknown, depth = 0): string[] {
  if (depth > 64)
    throw new EngineError('invalid_request', 'response_format: the schema is nested too deeply', {
      param: 'response_format',
    });
  if (typeof schema !== 'object' || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap((item) => unenforcedKeywords(item, depth + 1));
  const found: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if ((UNENFORCED as readonly string[]).includes(key)) found.push(key);
    if (key === 'type') {
      const wrong = [value].flat().find((type) => typeof type !== 'string' || !TYPES.has(type)) as unknown;
      if (wrong !== undefined) {
        throw new EngineError(
          'invalid_request',
          `response_format: ${JSON.stringify(wrong)} is not a JSON Schema type`,
          {
            param: 'response_format',
          },
        );
      }
    }
    const named = key === 'properties' || key === '$defs' || key === 'definitions';
    if (named && typeof value === 'object' && value !== null) {
      found.push(
        ...Object.values(value as Record<string, unknown>).flatMap((item) =>
          unenforcedKeywords(item, depth + 1),
        ),
      );
    } else if (key === 'items' || key === 'anyOf' || key === 'oneOf' || key === 'additionalProperties') {
      found.push(...unenforcedKeywords(value, depth + 1));
    }
  }
  return [...new Set(found)];
}

/** The library closes every schema with four line ends; a grammar that simply ends lets the model end its turn. */
const LIBRARY_END = /^root ::= (.*) "\\n\\n\\n\\n" \[\\n\]\*$/m;

async function schemaGrammar(
  runtime: EmbeddedRuntime,
  schema: unknown,
  wrap: (root: string) => string,
): Promise<LlamaGrammar> {
  // Its type describes schemas known to the compiler; here they come from callers.
  const { grammar } = await runtime.llama.createGrammarForJsonSchema(schema as never);
  const own = grammar.replace(LIBRARY_END, (_line, root: string) => `root ::= ${wrap(root)}`);
  return runtime.llama.createGrammar({ grammar: own });
}

/** The grammar of a request's output, with the keywords that it does not enforce. */
export async function outputGrammar(
  request: GenerationRequest,
  runtime: EmbeddedRuntime,
): Promise<{ grammar?: LlamaGrammar; unenforced: string[] }> {
  const gbnf = request.extra?.['grammar'];
  if (typeof gbnf === 'string' && gbnf !== '') {
    if (request.format !== undefined) {
      throw new EngineError('invalid_request', 'grammar and response_format exclude each other', {
        param: 'grammar',
      });
    }
    try {
      return { grammar: await runtime.llama.createGrammar({ grammar: gbnf }), unenforced: [] };
    } catch (cause) {
      throw new EngineError('invalid_request', 'grammar: it cannot be parsed as GBNF', {
        param: 'grammar',
        cause,
      });
    }
  }
  if (request.format === undefined) return { unenforced: [] };
  let schema: unknown = { type: 'object', additionalProperties: true };
  if (request.format.kind === 'json-schema') {
    try {
      schema = JSON.parse(request.format.schema);
    } catch (cause) {
      throw new EngineError('invalid_request', 'response_format: not valid JSON', {
        param: 'response_format',
        cause,
      });
    }
  }
  const unenforced = unenforcedKeywords(schema);
  const gathered = withGatheredReferences(schema, 'response_format');
  try {
    return { grammar: await schemaGrammar(runtime, gathered, (root) => root), unenforced };
  } catch (cause) {
    throw new EngineError('invalid_request', 'response_format: the schema cannot be made into a grammar', {
      param: 'response_format',
      cause,
    });
  }
}

/** The grammar of one tool call, from behind its opening tag to its closing one; undefined where that is impossible. */
export async function callGrammar(
  tools: readonly ChatTool[],
  runtime: EmbeddedRuntime,
): Promise<LlamaGrammar | undefined> {
  const calls = tools.map(({ name, parameters }) => ({
    type: 'object',
    properties: {
      name: { const: name },
      arguments: withGatheredReferences(
        JSON.parse(parameters === '' ? '{"type":"object"}' : parameters) as unknown,
        'tools',
      ),
    },
  }));
  try {
    const schema = calls.length === 1 ? calls[0] : { oneOf: calls };
    return await schemaGrammar(runtime, schema, (root) => `[ \\n]* ${root} [ \\n]* "</tool_call>"`);
  } catch {
    // A schema beyond the library leaves the model unbound; its call is parsed all the same.
    return undefined;
  }
}
