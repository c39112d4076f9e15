import { z } from 'zod';
import { additionSchema, emptySchema, swapSchema, toolArgumentsSchema } from '../rest/admin-schema.js';
import { loadSchema, pullSchema, unloadSchema } from '../rest/model-routes.js';
import { restChatSchema } from '../rest/rest-request.js';
import { chatSchema, completionSchema, embeddingSchema } from '../shared/requests.js';

/** Bodies of requests: the very schemas that validate, but for MCP, whose own specification says more. */
export const bodies = {
  ChatRequest: chatSchema,
  CompletionRequest: completionSchema,
  EmbeddingRequest: embeddingSchema,
  RestChatRequest: restChatSchema,
  LoadRequest: loadSchema,
  UnloadRequest: unloadSchema,
  PullRequest: pullSchema,
  PluginAddition: additionSchema,
  SwapRequest: swapSchema,
  Empty: emptySchema,
  ToolArguments: toolArgumentsSchema,
  McpMessage: z.looseObject({ jsonrpc: z.literal('2.0'), method: z.string().optional() }),
} as const satisfies Record<string, z.ZodType>;

/** Name of a body. */
export type BodyName = keyof typeof bodies;
