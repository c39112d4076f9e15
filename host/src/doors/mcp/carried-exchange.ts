import type { AuthInfo } from '@modelcontextprotocol/server';
import { HttpExchange } from './exchange.js';

/** Both SDKs pass this through to the handler of a request: the one way to tell exchanges apart. */
export function carry(exchange: HttpExchange): AuthInfo & { clientId: string } {
  return { token: '', clientId: exchange.principal ?? '', scopes: [], extra: { exchange } };
}

/** The exchange that `carry` put there. */
export function carried(authInfo: { extra?: Record<string, unknown> } | undefined): HttpExchange {
  const exchange = authInfo?.extra?.exchange;
  if (!(exchange instanceof HttpExchange)) throw new Error('a request arrived without its exchange');
  return exchange;
}
