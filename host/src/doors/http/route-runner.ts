import { GatewayError } from '../../errors/gateway-error.js';
import { readBody } from './body-reader.js';
import type { Exchange } from './exchange.js';
import { parseJson, requireJson } from './json-body.js';
import type { Route } from './route.js';

const noParams: Readonly<Record<string, string>> = {};
const noQuery = new URLSearchParams();

/** Reads the body of a request and answers it. Never rejects: whatever goes wrong becomes the answer. */
export async function runRoute(
  route: Route,
  exchange: Exchange,
  params: Readonly<Record<string, string>> = noParams,
  query: URLSearchParams = noQuery,
): Promise<void> {
  try {
    const body = route.method === 'POST' ? await jsonBody(exchange, route.maxValues) : undefined;
    // Who sends slowly takes no place from those who are served.
    if (route.counted === true && !exchange.host.admit(exchange)) return;
    await route.handle(exchange, body, params, query);
  } catch (thrown) {
    exchange.fail(thrown);
  }
}

async function jsonBody(exchange: Exchange, maxValues?: number): Promise<unknown> {
  const { request, response, host } = exchange;
  const { maxBodyBytes } = host.config;
  requireJson(request.headers);
  if (exchange.expectsContinue) {
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) {
      throw new GatewayError('payload_too_large', `the body is larger than ${maxBodyBytes} bytes`);
    }
    response.writeContinue();
  }
  return parseJson(await readBody(request, maxBodyBytes, host.bodies), maxValues);
}
