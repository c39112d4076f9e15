import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { Logger } from '../../telemetry/logger.js';
import { createHttpDoor, type HttpDoor, type HttpDoorOptions } from '../http-listener.js';
import type { HttpDoorConfig } from '../http/http-door-config.js';
import type { PluginStatus } from '../ports.js';
import { ScriptedInference } from './scripted-inference.js';

/** A logger that keeps what it was told. */
export class KeptLog implements Logger {
  readonly lines: { level: string; fields: object; message: string }[] = [];
  private readonly keep =
    (level: string) =>
    (fields: object, message = ''): void => {
      this.lines.push({ level, fields, message });
    };
  readonly debug = this.keep('debug');
  readonly info = this.keep('info');
  readonly warn = this.keep('warn');
  readonly error = this.keep('error');
  child(): Logger {
    return this;
  }
}

/** An answer as it came over the wire. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json(): Record<string, unknown>;
}

/** A listening door with nothing behind it but a script. */
export interface TestDoor {
  readonly door: HttpDoor;
  readonly inference: ScriptedInference;
  readonly log: KeptLog;
  readonly port: number;
  readonly url: string;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>;
}

const demoPlugin: PluginStatus = {
  name: 'demo',
  displayName: 'Demo',
  version: '1.2.3',
  runtime: 'script',
  state: 'active',
  reason: '',
  origin: 'spawn',
  restarts: 0,
  retryAt: undefined,
  queued: 0,
  operations: ['chat', 'countTokens'],
  services: ['outrigger.plugin.v1.Inference'],
  tools: [],
  warnings: [],
  instances: [
    {
      instanceId: 'i1',
      version: '1.2.3',
      state: 'active',
      reason: '',
      address: 'unix:/run/demo.sock',
      pid: undefined,
      serving: true,
      inFlight: 0,
      served: 3,
      failed: 1,
      startup: { spawnMs: 3.5, totalMs: 300 },
      firstTokenP50Ms: 4.5,
      firstTokenP99Ms: 9,
      since: 1_700_000_000_000,
    },
  ],
};

/** Opens a door on a free port. */
export async function openTestDoor(
  config: Partial<HttpDoorConfig> = {},
  options: Partial<HttpDoorOptions> = {},
): Promise<TestDoor> {
  const inference = new ScriptedInference();
  const log = new KeptLog();
  const door = createHttpDoor({
    inference,
    config: {
      host: '127.0.0.1',
      port: 0,
      maxBodyBytes: 1024 * 1024,
      keepAliveMs: 0,
      maxInFlight: 1024,
      allowedHosts: [],
      allowedOrigins: [],
      ...config,
    },
    info: {
      uptimeMs: () => 12,
      plugins: () => [{ name: 'demo', version: '1.2.3', state: 'active', instanceId: 'i1' }],
    },
    admin: { listPlugins: () => [demoPlugin] },
    readiness: { checks: () => [{ name: 'plugins', ok: true }] },
    logger: log,
    version: '0.1.0',
    ...options,
  });
  const { port } = await door.listen();
  const send: TestDoor['send'] = (method, path, body, headers = {}) =>
    exchange(port, method, path, body, headers);
  return {
    door,
    inference,
    log,
    port,
    url: `http://127.0.0.1:${port}`,
    send,
    post: (path, body, headers) => send('POST', path, body, headers),
  };
}

function exchange(
  port: number,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Reply> {
  const bytes =
    body === undefined || Buffer.isBuffer(body)
      ? body
      : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        port,
        method,
        path,
        agent: false,
        headers: {
          ...(bytes === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': bytes.length }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const { statusCode: status = 0 } = response;
          resolve({
            status,
            headers: response.headers,
            text,
            json: () => JSON.parse(text) as Record<string, unknown>,
          });
        });
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(bytes);
  });
}

/** The data of each server-sent event. */
export function sseData(text: string): string[] {
  return text
    .split('\n\n')
    .filter((one) => one !== '')
    .flatMap((one) => one.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => line.slice(6));
}

/** Waits until something is so; fails after `ms`. */
export async function until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
