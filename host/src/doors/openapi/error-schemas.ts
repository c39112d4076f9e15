import { errorTable } from '../../errors/error-table.js';

const text = { type: 'string' };

/** How errors look, by door. */
export const errorSchemas = {
  OpenAiError: {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['message', 'type', 'param', 'code'],
        properties: {
          message: text,
          type: text,
          param: { type: ['string', 'null'] },
          code: { type: ['string', 'null'] },
        },
      },
    },
  },
  Problem: {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'instance', 'kind', 'retryable'],
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      instance: { ...text, description: 'The id of the request.' },
      kind: { enum: Object.keys(errorTable) },
      retryable: { type: 'boolean' },
      param: text,
      retry_after: { type: 'number', description: 'Seconds.' },
    },
  },
  RpcError: {
    type: 'object',
    required: ['jsonrpc', 'id', 'error'],
    properties: {
      jsonrpc: { const: '2.0' },
      id: {},
      error: {
        type: 'object',
        required: ['code', 'message'],
        properties: { code: { type: 'integer' }, message: text, data: {} },
      },
    },
  },
} as const;
