import { foldGeneration } from '../../router/fold.js';
import type { Inference } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';
import type { Route } from '../http/route.js';
import { begin } from '../shared/begin.js';
import {
  chatCall,
  completionCall,
  embedCall,
  parseChat,
  parseCompletion,
  parseEmbedding,
} from '../shared/generate-call.js';
import { embeddingValues } from '../shared/requests.js';
import { requireVectors } from '../shared/vectors.js';
import { chatResponse } from './chat-response.js';
import { ChatStream } from './chat-stream.js';
import { completionResponse } from './completion-response.js';
import { CompletionStream } from './completion-stream.js';
import { embeddingResponse } from './embedding-response.js';
import { openaiModel } from './model-response.js';

/** The routes of the OpenAI door. */
export function openaiRoutes(inference: Inference): Route[] {
  const door = 'openai';
  return [
    {
      door,
      method: 'POST',
      path: '/v1/chat/completions',
      hot: true,
      counted: true,
      handle: (exchange, body) => chat(inference, exchange, body),
    },
    {
      door,
      method: 'POST',
      path: '/v1/completions',
      hot: true,
      counted: true,
      handle: (exchange, body) => completion(inference, exchange, body),
    },
    {
      door,
      method: 'POST',
      path: '/v1/embeddings',
      maxValues: embeddingValues,
      hot: true,
      counted: true,
      handle: (exchange, body) => embeddings(inference, exchange, body),
    },
    {
      door,
      method: 'GET',
      path: '/v1/models',
      hot: true,
      handle: async (exchange) => {
        const models = await inference.listModels();
        exchange.sendJson(200, { object: 'list', data: models.map(openaiModel) });
      },
    },
    {
      door,
      method: 'GET',
      path: '/v1/models/*id',
      handle: async (exchange, _body, params) => {
        exchange.sendJson(200, openaiModel(await inference.getModel(params['id'] ?? '')));
      },
    },
  ];
}

async function chat(inference: Inference, exchange: Exchange, body: unknown): Promise<void> {
  const input = parseChat(body);
  const generation = await begin(exchange, inference.generate(chatCall(input), exchange));
  if (generation === undefined) return;
  if (input.stream === true) {
    new ChatStream(exchange, generation, input.stream_options?.include_usage === true).start();
    return;
  }
  const answer = await foldGeneration(generation);
  exchange.send(200, JSON.stringify(chatResponse(answer)), answer.served, answer.warnings.length);
}

async function completion(inference: Inference, exchange: Exchange, body: unknown): Promise<void> {
  const input = parseCompletion(body);
  const call = completionCall(input);
  const echo = input['echo'] === true ? (call.request.prompt ?? '') : '';
  const generation = await begin(exchange, inference.generate(call, exchange));
  if (generation === undefined) return;
  if (input.stream === true) {
    new CompletionStream(exchange, generation, input.stream_options?.include_usage === true, echo).start();
    return;
  }
  const answer = await foldGeneration(generation);
  exchange.send(200, JSON.stringify(completionResponse(answer, echo)), answer.served, answer.warnings.length);
}

async function embeddings(inference: Inference, exchange: Exchange, body: unknown): Promise<void> {
  const input = parseEmbedding(body);
  const call = embedCall(input);
  const embedded = await inference.embed(call, exchange);
  const { embeddings: vectors, warnings } = embedded.response;
  requireVectors(vectors, call.request.inputs.length);
  const text = JSON.stringify(embeddingResponse(embedded, input.encoding_format === 'base64'));
  exchange.send(200, text, embedded.served, warnings.length);
}
