import { z } from 'zod';
import { errorTable } from '../errors/error-table.js';
import type { Route } from './http/route.js';
import { loadSchema, pullSchema, unloadSchema } from './rest/model-routes.js';
import { restChatSchema } from './rest/rest-request.js';
import { chatSchema, completionSchema, embeddingSchema } from './shared/requests.js';

const bodies = {
  ChatRequest: chatSchema,
  CompletionRequest: completionSchema,
  EmbeddingRequest: embeddingSchema,
  RestChatRequest: restChatSchema,
  LoadRequest: loadSchema,
  UnloadRequest: unloadSchema,
  PullRequest: pullSchema,
} as const satisfies Record<string, z.ZodType>;

interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly body?: keyof typeof bodies;
  readonly streams?: boolean;
  readonly parameters?: readonly string[];
}

const operations: readonly Operation[] = [
  post('/v1/chat/completions', 'Answer messages, as OpenAI does.', 'ChatRequest', true),
  post('/v1/completions', 'Continue a text, as OpenAI does.', 'CompletionRequest', true),
  post('/v1/embeddings', 'Embed texts, as OpenAI does.', 'EmbeddingRequest'),
  get('/v1/models', 'List models, as OpenAI does.'),
  get('/v1/models/{id}', 'Show one model, as OpenAI does.', ['id']),
  post('/mcp/v1/chat', 'Answer messages or continue a text.', 'RestChatRequest', true),
  post('/mcp/v1/embed', 'Embed texts.', 'EmbeddingRequest'),
  get('/mcp/v1/info', 'About this host.'),
  get('/mcp/v1/plugins', 'List plugins.'),
  get('/mcp/v1/models', 'List models.'),
  get('/mcp/v1/models/{id}', 'Show one model.', ['id']),
  { method: 'delete', path: '/mcp/v1/models/{id}', summary: 'Delete a model.', parameters: ['id'] },
  post('/mcp/v1/models/load', 'Load a model.', 'LoadRequest', true),
  post('/mcp/v1/models/unload', 'Unload a model.', 'UnloadRequest'),
  post('/mcp/v1/models/pull', 'Fetch a model.', 'PullRequest', true),
  {
    ...post(
      '/mcp/v1/{adapter}/{model}/chat',
      'Answer with the model of the address.',
      'RestChatRequest',
      true,
    ),
    parameters: ['adapter', 'model'],
  },
  {
    ...post('/mcp/v1/{adapter}/{model}/embed', 'Embed with the model of the address.', 'EmbeddingRequest'),
    parameters: ['adapter', 'model'],
  },
  get('/livez', 'Whether the process answers.'),
  get('/readyz', 'Whether the host can serve; 503 when not.'),
  get('/healthz', 'The same as /readyz.'),
];

/** GET /openapi.json. Made when first asked for. */
export function openApiRoute(version: string): Route {
  let text: string | undefined;
  return {
    door: 'rest',
    method: 'GET',
    path: '/openapi.json',
    handle: (exchange) => {
      text ??= JSON.stringify(openApiDocument(version));
      exchange.send(200, text);
    },
  };
}

/** The OpenAPI 3.1 document, made from the schemas that validate. */
export function openApiDocument(version: string): object {
  const schemas: Record<string, unknown> = { OpenAiError: openAiErrorSchema, Problem: problemSchema };
  for (const [name, body] of Object.entries(bodies)) schemas[name] = jsonSchema(body);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    const at = (paths[operation.path] ??= {});
    at[operation.method] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Outrigger',
      version,
      description:
        'A thin host for model plugins. Errors under /mcp are problem+json, all others as OpenAI has them.',
    },
    security: [{}, { bearer: [] }],
    paths,
    components: { schemas, securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}

function describe(operation: Operation): object {
  const { method, path, summary, body, streams, parameters } = operation;
  const openai = path.startsWith('/v1');
  const events = { 'text/event-stream': { schema: { type: 'string' } } };
  const error = {
    description: 'Something was wrong.',
    content: openai
      ? { 'application/json': { schema: { $ref: '#/components/schemas/OpenAiError' } } }
      : { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  return {
    operationId: `${method}${path.replace(/[^A-Za-z0-9]+([A-Za-z0-9]?)/g, (_all, next: string) => next.toUpperCase())}`,
    summary,
    ...(parameters === undefined
      ? {}
      : {
          parameters: parameters.map((name) => ({
            name,
            in: 'path',
            required: true,
            description: 'Slashes may stand as they are or as %2F.',
            schema: { type: 'string' },
          })),
        }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: { $ref: `#/components/schemas/${body}` } } },
          },
        }),
    responses: {
      200: {
        description: streams === true ? 'The answer; events when it is streamed.' : 'The answer.',
        content: { 'application/json': { schema: { type: 'object' } }, ...(streams === true ? events : {}) },
      },
      default: error,
    },
  };
}

function jsonSchema(body: z.ZodType): object {
  // int64 is wider than what zod can say in JSON Schema, hence `any` for it.
  const { $schema: _dialect, ...made } = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' });
  return made;
}

const openAiErrorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: ['string', 'null'] },
      },
    },
  },
};

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'kind', 'retryable'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', description: 'The id of the request.' },
    kind: { enum: Object.keys(errorTable) },
    retryable: { type: 'boolean' },
    param: { type: 'string' },
    retry_after: { type: 'number', description: 'Seconds.' },
  },
};

function get(path: string, summary: string, parameters?: readonly string[]): Operation {
  return parameters === undefined
    ? { method: 'get', path, summary }
    : { method: 'get', path, summary, parameters };
}

function post(path: string, summary: string, body: keyof typeof bodies, streams = false): Operation {
  return { method: 'post', path, summary, body, streams };
}
