import type { Exchange } from '../http/exchange.js';
import type { Route } from '../http/route.js';
import { pageFile, pageFileNames, type PageFile } from './page-files.js';
import { statsOf, type StatsPort } from './stats.js';

/** What the routes work with. */
export interface DashboardPorts {
  readonly stats: StatsPort;
}

/**
 * Nothing comes from elsewhere and nothing runs but the page's own files: what a plugin says of itself
 * is shown as text, and were it ever to become markup, it still could not run.
 */
const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** The page at `/`, its files, and the figures that it shows. */
export function dashboardRoutes({ stats }: DashboardPorts): Route[] {
  const door = 'rest';
  const files = pageFileNames
    .filter((name) => name !== 'index.html')
    .map((name): Route => ({
      door,
      method: 'GET',
      path: `/dashboard/${name}`,
      keyless: true,
      handle: (exchange) => sendFile(exchange, pageFile(name)),
    }));
  return [
    {
      door,
      method: 'GET',
      path: '/',
      keyless: true,
      handle: (exchange) => {
        exchange.response.setHeader('vary', 'accept');
        if (wantsJson(exchange.request.headers.accept)) exchange.sendJson(200, about);
        else sendFile(exchange, pageFile('index.html'));
      },
    },
    ...files,
    {
      door,
      method: 'GET',
      path: '/mcp/v1/stats',
      handle: (exchange) => exchange.sendJson(200, statsOf(stats)),
    },
  ];
}

/** What a program learns at `/`: where everything is. No data, as no credential is asked for. */
const about = {
  name: 'outrigger',
  description: 'A host that speaks MCP, OpenAI and REST over model plugins.',
  openapi: '/openapi.json',
  openai: '/v1',
  mcp: '/mcp',
  rest: '/mcp/v1',
  readiness: '/readyz',
  metrics: '/metrics',
  dashboard: '/ (Accept: text/html)',
};

function wantsJson(accept = ''): boolean {
  return /\bjson\b/i.test(accept) && !/\btext\/html\b/i.test(accept);
}

function sendFile(exchange: Exchange, { text, type, etag }: PageFile): void {
  const { request, response } = exchange;
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
  response.setHeader('etag', etag);
  // Asked for again each time, answered with 304 mostly: a new host never runs with an old page.
  response.setHeader('cache-control', 'no-cache');
  const known = request.headers['if-none-match'];
  if (known !== undefined && known.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)) {
    response.writeHead(304).end();
    return;
  }
  exchange.send(200, text, undefined, 0, type);
}
