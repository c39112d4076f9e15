import { z } from 'zod';

/** Where Ollama listens when nobody says otherwise. */
export const defaultBaseUrl = 'http://127.0.0.1:11434';

/** The settings of this plugin, read and completed. */
export interface OllamaConfig {
  /** Without a slash at its end; may have a path. */
  readonly baseUrl: URL;
  /** Sent as a bearer token. */
  readonly apiKey: string | undefined;
  /** JSON text of `keep_alive` for requests that have none; undefined leaves it to Ollama. */
  readonly keepAlive: string | undefined;
  readonly connections: number;
  readonly maxQueued: number;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly listTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly truncate: boolean;
  readonly shift: boolean;
  /** Runtime options for every request, as JSON text by name. */
  readonly options: ReadonlyMap<string, string>;
}

const milliseconds = (fallback: number) => z.int().min(1).max(86_400_000).default(fallback);
const duration = /^-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/;

/** The schema of the configuration; what it leaves open is read from the environment given. */
export function configSchema(environment: Readonly<Record<string, string | undefined>>) {
  return z
    .strictObject({
      baseUrl: z.string().min(1).optional(),
      apiKey: z.string().min(1).optional(),
      keepAlive: z
        .union([
          z.number(),
          z.string().regex(duration, 'use seconds as a number, or a duration such as "10m"'),
        ])
        .optional(),
      connections: z.int().min(1).max(4096).default(128),
      maxQueued: z.int().min(0).max(100_000).default(1024),
      connectTimeoutMs: milliseconds(2_000),
      firstByteTimeoutMs: milliseconds(600_000),
      idleTimeoutMs: milliseconds(300_000),
      listTimeoutMs: milliseconds(2_000),
      loadTimeoutMs: milliseconds(600_000),
      truncate: z.boolean().default(false),
      shift: z.boolean().default(false),
      options: z
        .record(z.string(), z.union([z.number(), z.boolean(), z.string(), z.array(z.string())]))
        .default({}),
    })
    .transform((given, context): OllamaConfig => {
      const { baseUrl, apiKey, keepAlive, options, ...rest } = given;
      const address = baseUrl ?? environment['OLLAMA_HOST'] ?? '';
      const url = readAddress(address);
      if (url === undefined) {
        const from = baseUrl === undefined ? 'the environment variable OLLAMA_HOST' : 'baseUrl';
        context.addIssue({
          code: 'custom',
          path: ['baseUrl'],
          message: `${from} is not an address: write it as ${defaultBaseUrl} or host:port`,
        });
        return z.NEVER;
      }
      return {
        ...rest,
        baseUrl: url,
        apiKey: apiKey ?? nonEmpty(environment['OLLAMA_API_KEY']),
        keepAlive: keepAlive === undefined ? undefined : JSON.stringify(keepAlive),
        options: new Map(Object.entries(options).map(([name, value]) => [name, JSON.stringify(value)])),
      };
    });
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

/**
 * Reads an address as Ollama reads OLLAMA_HOST: scheme and port may be missing,
 * the port is then 11434, or that of the scheme. An address to listen on
 * everywhere (0.0.0.0, ::) becomes the loopback address to connect to.
 * Returns undefined for what is no http or https address.
 */
export function readAddress(given: string): URL | undefined {
  const trimmed = given
    .trim()
    .replace(/^(["'])(.*)\1$/, '$2')
    .trim();
  if (trimmed === '') return new URL(defaultBaseUrl);
  if (trimmed === 'ollama.com') return new URL('https://ollama.com');
  const [, scheme, rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(trimmed) ?? [];
  if (scheme !== undefined && !/^https?$/i.test(scheme)) return undefined;
  const [authority, path] = splitOnce(rest, '/');
  if (authority.includes('@')) return undefined;
  let { host, port } = splitAuthority(authority);
  if (host === '' || host === '0.0.0.0' || host === '::') host = host === '::' ? '::1' : '127.0.0.1';
  if (host.includes(':')) host = `[${host}]`;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) port = scheme === undefined ? '11434' : '';
  try {
    const url = new URL(`${scheme ?? 'http'}://${host}${port === '' ? '' : `:${port}`}/${path}`);
    if (url.search !== '' || url.hash !== '') return undefined;
    url.pathname = url.pathname.replace(/\/+$/, '');
    return url;
  } catch {
    return undefined;
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

function splitAuthority(authority: string): { host: string; port: string } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(authority);
  if (bracketed !== null) return { host: bracketed[1] ?? '', port: bracketed[2] ?? '' };
  const colons = authority.split(':').length - 1;
  // More than one colon without brackets is an IPv6 address without a port.
  if (colons !== 1) return { host: authority, port: '' };
  const [host, port] = splitOnce(authority, ':');
  return { host, port };
}
