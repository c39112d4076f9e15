import { createRequire } from 'node:module';
import type { ErrorRequestHandler, Express, Request, RequestHandler } from 'express';
import { GatewayError } from '../../errors/gateway-error.js';
import type { Exchange } from './exchange.js';
import type { Route } from './route.js';
import { runRoute } from './route-runner.js';
import type { IncomingMessage, ServerResponse } from 'node:http';

// Loaded when the app is made: the host listens sooner.
const require = createRequire(import.meta.url);

/** Answers a request that no hot route has taken. */
export type HttpApp = (exchange: Exchange) => void;

/**
 * Everything but the hot routes. An Express route costs six times a bare one, which matters
 * for inference and for nothing else.
 */
export function createHttpApp(routes: readonly Route[]): HttpApp {
  const express = require('express') as () => Express;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.enable('case sensitive routing');
  const exchanges = new WeakMap<IncomingMessage, Exchange>();
  const exchangeOf = (request: Request): Exchange => {
    const exchange = exchanges.get(request);
    if (exchange === undefined) throw new Error('a request without an exchange');
    return exchange;
  };

  for (const [path, methods] of byPath(routes)) {
    for (const route of methods) {
      const handler: RequestHandler = (request) => {
        const query = new URLSearchParams(request.url.split('?')[1] ?? '');
        void runRoute(route, exchangeOf(request), flat(request.params), query);
      };
      if (route.method === 'GET') app.get(path, handler);
      else if (route.method === 'POST') app.post(path, handler);
      else app.delete(path, handler);
    }
    const allow = methods.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
    app.all(path, (request, response) => {
      if (request.method === 'OPTIONS') response.writeHead(204, ['allow', allow]).end();
      else exchangeOf(request).fail(wrongMethod(request.method, allow), ['allow', allow]);
    });
  }
  app.use((request) => exchangeOf(request).fail(unknownPath(request.method, request.path, routes)));
  const failed: ErrorRequestHandler = (error: unknown, request, _response, _next) => {
    const status = (error as { status?: unknown } | null)?.status;
    const shown = status === 400 ? new GatewayError('invalid_request', 'the path is not valid') : error;
    exchangeOf(request).fail(shown);
  };
  app.use(failed);

  const handle = app as unknown as (request: IncomingMessage, response: ServerResponse) => void;
  return (exchange) => {
    exchanges.set(exchange.request, exchange);
    handle(exchange.request, exchange.response);
  };
}

function byPath(routes: readonly Route[]): Map<string, Route[]> {
  const paths = new Map<string, Route[]>();
  for (const route of routes) {
    const methods = paths.get(route.path);
    if (methods === undefined) paths.set(route.path, [route]);
    else methods.push(route);
  }
  return paths;
}

/** Express gives the segments of a wildcard one by one, decoded. */
function flat(params: Readonly<Record<string, string | string[]>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, Array.isArray(value) ? value.join('/') : value]),
  );
}

function wrongMethod(method: string, allow: string): GatewayError {
  return new GatewayError('method_not_allowed', `${method} is not possible here, only ${allow}`);
}

function unknownPath(method: string, path: string, routes: readonly Route[]): GatewayError {
  const meant = routes.find((route) => route.path === `/v1${path}` || route.path === path.replace(/\/$/, ''));
  const hint = meant === undefined ? '' : `; did you mean ${meant.path}?`;
  return new GatewayError('not_found', `there is nothing at ${method} ${path.slice(0, 200)}${hint}`);
}
