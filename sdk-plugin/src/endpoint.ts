import { lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { resolve } from 'node:path';

/** Longest socket path in bytes: the kernel cuts longer ones than 107 without a word. */
const longestPath = 100;

/** Where a plugin listens. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Thrown for an address that cannot be used; the message says what to do instead. */
export class EndpointError extends Error {
  constructor(address: string, problem: string) {
    super(`endpoint ${JSON.stringify(address)}: ${problem}`);
    this.name = 'EndpointError';
  }
}

const forms = 'use unix:///absolute/path.sock, unix:path.sock, host:port or ipv4:host:port';

/**
 * Reads an address: `unix:///path`, `unix:path`, `host:port`, `ipv4:host:port`,
 * `ipv6:[host]:port`. Port 0 takes a free one.
 * @throws EndpointError
 */
export function parseEndpoint(address: string): Endpoint {
  if (address.startsWith('unix:')) {
    const rest = address.slice('unix:'.length);
    if (rest.startsWith('//') && !rest.startsWith('///')) {
      throw new EndpointError(address, 'a unix:// address needs an absolute path, that is three slashes');
    }
    const path = rest.startsWith('///') ? rest.slice(2) : rest;
    if (path === '') throw new EndpointError(address, `the path is missing; ${forms}`);
    const absolute = resolve(path);
    const length = Buffer.byteLength(absolute);
    if (length > longestPath) {
      throw new EndpointError(
        address,
        `the socket path has ${length} bytes, at most ${longestPath} work everywhere; use a shorter directory`,
      );
    }
    return { kind: 'unix', path: absolute };
  }
  const match = /^(?:ipv4:|ipv6:|dns:(?:\/\/[^/]*\/)?)?(?:\[([^\]]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw new EndpointError(address, forms);
  return { kind: 'tcp', host, port };
}

/** The address of an endpoint as gRPC clients write it. */
export function addressOf(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  return endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** Whether only programs on this machine reach the endpoint. */
export function isLocal(endpoint: Endpoint): boolean {
  return endpoint.kind === 'unix' || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(endpoint.host);
}

/** Whether somebody listens on a socket; throws when that cannot be told. */
function answers(path: string, timeoutMs: number): Promise<boolean> {
  return new Promise((settle, reject) => {
    const socket = createConnection(path);
    const timer = setTimeout(() => {
      socket.destroy();
      // Whoever lets callers wait is alive.
      settle(true);
    }, timeoutMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.destroy();
      settle(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') settle(false);
      else reject(error);
    });
  });
}

/**
 * Removes a socket that a dead process left behind.
 * @throws EndpointError when the path is taken by a live socket or by something else.
 */
export async function clearStaleSocket(path: string): Promise<void> {
  const address = `unix://${path}`;
  let found;
  try {
    found = await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new EndpointError(address, `cannot be looked at: ${(error as Error).message}`);
  }
  if (!found.isSocket()) {
    throw new EndpointError(
      address,
      'there is something at this path that is not a socket; choose another path',
    );
  }
  let alive: boolean;
  try {
    alive = await answers(path, 1_000);
  } catch (error) {
    throw new EndpointError(address, `cannot be connected to: ${(error as Error).message}`);
  }
  if (alive) throw new EndpointError(address, 'another process listens here; choose another path or stop it');
  await unlink(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
}
