import { z } from 'zod';
import type { Route } from '../http/route.js';
import { answers } from './answers.js';
import { bodies } from './bodies.js';
import { errorSchemas } from './error-schemas.js';
import { operations, type Operation, type OperationKey } from './operations.js';

/** The OpenAPI 3.1 document of these routes, made from the schemas that validate. Throws when one is not described. */
export function openApiDocument(version: string, routes: readonly Route[], hasMcp: boolean): object {
  const keys = new Set([...routes.flatMap(keysOf), ...(hasMcp ? mcpKeys : [])]);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const key of keys) {
    if (!Object.hasOwn(operations, key)) throw new Error(`openapi/operations.ts does not describe ${key}`);
    const [method = '', path = ''] = key.split(' ');
    (paths[path] ??= {})[method.toLowerCase()] = describe(path, method, operations[key as OperationKey]);
  }
  const tags = [...new Set([...keys].map((key) => operations[key as OperationKey].tag))];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Outrigger',
      version,
      description:
        'A thin host for model plugins. Errors under /mcp/v1 are problem+json, under /mcp JSON-RPC, all others as OpenAI has them. Every answer carries x-request-id.',
    },
    tags: tags.map((name) => ({ name })),
    security: credentials,
    paths,
    components: { schemas: schemas(), securitySchemes },
  };
}

const mcpKeys: readonly OperationKey[] = ['POST /mcp', 'GET /mcp', 'DELETE /mcp'];

// Without keys in the configuration no credential is asked for, hence the empty one.
const credentials = [{}, { bearer: [] }, { xApiKey: [] }, { apiKey: [] }];
const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'One of `auth.apiKeys`, or `admin.apiKey`.' },
  xApiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
  apiKey: { type: 'apiKey', in: 'header', name: 'api-key' },
};

/** Method and address as the document writes them; a route with a choice in its path is several. */
export function keysOf({ method, path }: Route): string[] {
  if (path.startsWith('/dashboard/')) return [`${method} /dashboard/{file}`];
  const written = path.replace(/[:*](\w+)/g, '{$1}');
  const choices = written.endsWith('/{operation}') ? ['chat', 'embed'] : [''];
  return choices.map((choice) => `${method} ${written.replace('{operation}', choice)}`);
}

function describe(path: string, method: string, operation: Operation): object {
  const { summary, tag, body, answer, events, who, also } = operation;
  const content = typeof answer === 'string' ? json(answer) : { [answer.type]: {} };
  const told = typeof answer === 'string' ? 'The answer.' : answer.description;
  const success = {
    description: events === undefined ? told : 'The answer; events when it is streamed.',
    content: { ...content, ...(events === undefined ? {} : eventStream(events)) },
  };
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+([A-Za-z0-9]?)/g, (_all, next: string) => next.toUpperCase())}`,
    summary,
    tags: [tag],
    ...(who === 'everybody' ? { security: [] } : {}),
    ...(who === 'administrators'
      ? {
          description: 'With the key for administration; without any key, from the machine of the host only.',
        }
      : {}),
    parameters: parametersOf(path, operation),
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: {
      200: success,
      ...(also === undefined ? {} : { [also[0]]: { description: also[1] } }),
      default: errorOf(path),
    },
  };
}

function parametersOf(path: string, { query = {}, headers = {} }: Operation): object[] {
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return [
    ...named.map((name) => ({
      name,
      in: 'path',
      required: true,
      ...(name === 'id' || name === 'model'
        ? { description: 'Slashes may stand as they are or as %2F.' }
        : {}),
      schema: { type: 'string' },
    })),
    ...Object.entries(query).map(([name, description]) => ({
      name,
      in: 'query',
      description,
      schema: { type: 'string' },
    })),
    ...Object.entries(headers).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
  ];
}

function json(name: string): object {
  return { 'application/json': { schema: { $ref: reference(name) } } };
}

/** OpenAPI 3.1 has no words for what is inside a stream of events; `x-event-data` says it. */
function eventStream(data: string): object {
  return {
    'text/event-stream': {
      schema: { type: 'string', description: `Server-sent events; the data of each is ${data}.` },
      'x-event-data': { $ref: reference(data) },
    },
  };
}

function errorOf(path: string): object {
  const [type, name] = path.startsWith('/v1')
    ? ['application/json', 'OpenAiError']
    : path === '/mcp'
      ? ['application/json', 'RpcError']
      : ['application/problem+json', 'Problem'];
  return {
    description: 'Something was wrong.',
    content: { [type]: { schema: { $ref: reference(name) } } },
  };
}

function reference(name: string): string {
  return `#/components/schemas/${name}`;
}

function schemas(): Record<string, unknown> {
  const made: Record<string, unknown> = { ...errorSchemas };
  for (const [name, body] of Object.entries(bodies)) made[name] = jsonSchema(body, 'input');
  for (const [name, answer] of Object.entries(answers)) made[name] = jsonSchema(answer, 'output');
  return made;
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  // int64 is wider than what zod can say in JSON Schema, hence `any` for it.
  const { $schema: _dialect, ...made } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return made;
}
