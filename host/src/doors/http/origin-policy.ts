import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors/gateway-error.js';
import type { HttpDoorConfig } from './http-door-config.js';

const remembered = 256;

/**
 * Which Host and Origin headers are accepted. A page in a browser can make a name of its own
 * point at 127.0.0.1 (DNS rebinding); such a request carries that name in `Host`.
 */
export class OriginPolicy {
  private readonly hosts: ReadonlySet<string>;
  private readonly guarded: boolean;
  private readonly goodHosts = new Set<string>();
  private readonly exposed: string;

  constructor(private readonly config: HttpDoorConfig) {
    this.guarded = isLoopback(bareHost(config.host)) || config.allowedHosts.length > 0;
    this.hosts = new Set([config.host, ...config.allowedHosts].map((one) => bareHost(one)));
    this.exposed = [...exposedHeaders, ...(config.cors?.exposedHeaders ?? [])].join(', ');
  }

  /** The reason to refuse, or undefined. */
  check(request: IncomingMessage): GatewayError | undefined {
    const { host, origin } = request.headers;
    if (this.guarded && (host === undefined || !this.isGoodHost(host))) {
      return new GatewayError(
        'permission_denied',
        'the Host header names no address of this host; add it to `server.allowedHosts`',
        { param: 'host' },
      );
    }
    if (origin === undefined || this.isGoodOrigin(origin, host)) return undefined;
    return new GatewayError(
      'permission_denied',
      'pages of this origin may not call the host; add it to `server.allowedOrigins`',
      { param: 'origin' },
    );
  }

  /** CORS headers of an ordinary answer to an accepted origin, as name, value, name, value. */
  headers(origin: string): string[] {
    const { cors } = this.config;
    const credentials = cors?.credentials === true;
    const headers = ['access-control-allow-origin', origin, 'vary', 'origin'];
    headers.push('access-control-expose-headers', this.exposed);
    if (credentials) headers.push('access-control-allow-credentials', 'true');
    return headers;
  }

  /** CORS headers of the answer to a preflight. */
  preflightHeaders(request: IncomingMessage, origin: string): string[] {
    const wanted = request.headers['access-control-request-headers'];
    return [
      ...this.headers(origin),
      'access-control-allow-methods',
      'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
      'access-control-allow-headers',
      typeof wanted === 'string' && /^[\w ,-]{1,1024}$/.test(wanted) ? wanted : 'authorization, content-type',
      'access-control-max-age',
      String(this.config.cors?.maxAgeSeconds ?? 600),
    ];
  }

  private isGoodHost(header: string): boolean {
    if (this.goodHosts.has(header)) return true;
    const host = bareHost(header);
    if (!isLoopback(host) && !this.hosts.has(host)) return false;
    if (this.goodHosts.size < remembered) this.goodHosts.add(header);
    return true;
  }

  private isGoodOrigin(origin: string, host: string | undefined): boolean {
    const { allowedOrigins } = this.config;
    if (allowedOrigins.includes('*') || allowedOrigins.includes(origin)) return true;
    const url = URL.canParse(origin) ? new URL(origin) : undefined;
    if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false;
    // The same origin, as of a page that the host itself serves.
    return isLoopback(bareHost(url.host)) || url.host === host;
  }
}

const exposedHeaders = [
  'x-request-id',
  'x-outrigger-plugin',
  'x-outrigger-ignored-params',
  'x-outrigger-warnings',
  'openai-processing-ms',
  'retry-after',
  'retry-after-ms',
];

/** A host without its port, in lower case, IPv6 without brackets. */
function bareHost(header: string): string {
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(header);
  if (bracketed?.[1] !== undefined) return bracketed[1].toLowerCase();
  const parts = header.split(':');
  return (parts.length === 2 ? (parts[0] ?? '') : header).toLowerCase().replace(/\.$/, '');
}

/** Whether a host without a port means this machine. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
  );
}
