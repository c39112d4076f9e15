import type { IncomingMessage } from 'node:http';
import { Refusal } from './http-answers.js';

const LOCAL = ['localhost', '127.0.0.1', '[::1]'];

/** Host names that mean this machine. */
export const localHosts: readonly string[] = LOCAL;

/**
 * Refuses a request by its Host header: a page of another site that has had its name
 * rebound to this address still sends its own name. `*` in the list allows any.
 */
export function checkHost(req: IncomingMessage, allowed: readonly string[]): void {
  if (allowed.includes('*')) return;
  const host = hostnameOf(`http://${req.headers.host ?? ''}`);
  if (host === undefined || !allowed.includes(host))
    throw new Refusal(403, -32000, `Forbidden: this server does not answer as ${shown(req.headers.host)}`);
}

/**
 * Refuses a request by its Origin header, which browsers send. Entries are origins
 * (`https://app.example`), host names (any scheme and port), or `*`.
 * @returns the origin to allow, or undefined when the request has none.
 */
export function checkOrigin(req: IncomingMessage, allowed: readonly string[]): string | undefined {
  const origin = req.headers.origin;
  if (origin === undefined) return undefined;
  const host = hostnameOf(origin);
  const known = allowed.includes('*') || allowed.includes(origin);
  if (known || (host !== undefined && allowed.includes(host))) return origin;
  throw new Refusal(403, -32000, `Forbidden: origin ${shown(origin)} is not allowed`);
}

/** Headers that let the page of an allowed origin read the answer. */
export function corsHeaders(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'mcp-session-id, mcp-protocol-version, x-request-id, www-authenticate',
    vary: 'origin',
  };
}

/** Further headers for a preflight. */
export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
  'access-control-allow-headers':
    'authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, x-request-id',
  'access-control-max-age': '600',
};

function hostnameOf(url: string): string | undefined {
  try {
    return new URL(url).hostname;
  } catch {
    return undefined;
  }
}

function shown(value: string | undefined): string {
  return JSON.stringify((value ?? '').slice(0, 200));
}
