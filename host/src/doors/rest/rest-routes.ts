import { GatewayError } from '../../errors/gateway-error.js';
import { foldGeneration } from '../../router/fold.js';
import type { Inference } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';
import type { Route } from '../http/route.js';
import type { AdminPort, InfoPort } from '../ports.js';
import { begin } from '../shared/begin.js';
import { pluginJson } from '../shared/plugin-json.js';
import { embedCall, parseEmbedding } from '../shared/generate-call.js';
import { embeddingValues } from '../shared/requests.js';
import { requireVectors } from '../shared/vectors.js';
import { modelRoutes } from './model-routes.js';
import { flatten, restCall } from './rest-request.js';
import { restAnswer, restEmbeddings } from './rest-response.js';
import { RestStream } from './rest-stream.js';

/** What the REST door works with. */
export interface RestPorts {
  readonly inference: Inference;
  readonly info: InfoPort;
  readonly admin: AdminPort;
  readonly version: string;
}

type Body = Readonly<Record<string, unknown>>;

/** The routes of the REST door. */
export function restRoutes({ inference, info, admin, version }: RestPorts): Route[] {
  const door = 'rest';
  return [
    {
      door,
      method: 'POST',
      path: '/mcp/v1/chat',
      hot: true,
      counted: true,
      handle: (exchange, body) => chat(inference, exchange, body as Body),
    },
    {
      door,
      method: 'POST',
      path: '/mcp/v1/embed',
      maxValues: embeddingValues,
      hot: true,
      counted: true,
      handle: (exchange, body) => embed(inference, exchange, body as Body),
    },
    {
      door,
      method: 'GET',
      path: '/mcp/v1/info',
      hot: true,
      handle: (exchange) =>
        exchange.sendJson(200, {
          name: 'outrigger',
          version,
          uptime_ms: Math.round(info.uptimeMs()),
          ...(info.config === undefined ? {} : { config: info.config() }),
          plugins: info.plugins().map(({ name, version: built, state, instanceId }) => ({
            name,
            version: built,
            state,
            instance_id: instanceId,
          })),
        }),
    },
    {
      door,
      method: 'GET',
      path: '/mcp/v1/plugins',
      hot: true,
      handle: (exchange) => exchange.sendJson(200, { plugins: admin.listPlugins().map(pluginJson) }),
    },
    ...modelRoutes(inference),
    {
      door,
      method: 'POST',
      path: '/mcp/v1/:adapter/*model/:operation',
      counted: true,
      handle: (exchange, body, params) => operate(inference, exchange, body as Body, params),
    },
  ];
}

async function chat(inference: Inference, exchange: Exchange, body: Body): Promise<void> {
  const { call, stream } = restCall(body);
  const generation = await begin(exchange, inference.generate(call, exchange));
  if (generation === undefined) return;
  if (stream) {
    new RestStream(exchange, generation).start();
    return;
  }
  const answer = await foldGeneration(generation);
  const text = JSON.stringify(restAnswer(answer, exchange.requestId));
  exchange.send(200, text, answer.served, answer.warnings.length);
}

async function embed(inference: Inference, exchange: Exchange, body: Body): Promise<void> {
  const input = parseEmbedding(flatten(body));
  const call = embedCall(input);
  const embedded = await inference.embed(call, exchange);
  requireVectors(embedded.response.embeddings, call.request.inputs.length);
  const text = JSON.stringify(restEmbeddings(embedded, input.encoding_format === 'base64'));
  exchange.send(200, text, embedded.served, embedded.response.warnings.length);
}

/** The address names the model: `/mcp/v1/{plugin}/{model}/{operation}`. */
function operate(
  inference: Inference,
  exchange: Exchange,
  body: Body,
  params: Readonly<Record<string, string>>,
): Promise<void> {
  const model = `${params['adapter'] ?? ''}/${params['model'] ?? ''}`;
  if (typeof body['model'] === 'string' && body['model'] !== model) {
    throw new GatewayError('invalid_request', 'the address names the model already; leave `model` out', {
      param: 'model',
    });
  }
  const named = { ...body, model };
  switch (params['operation']) {
    case 'chat':
      return chat(inference, exchange, named);
    case 'embed':
      return embed(inference, exchange, named);
    default:
      throw new GatewayError('not_found', 'the operation must be `chat` or `embed`', { param: 'operation' });
  }
}
