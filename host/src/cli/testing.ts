import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { run } from './program.js';
import type { Surroundings } from './session.js';

/** A server that answers in the place of a host. For tests. */
export class FakeHost implements AsyncDisposable {
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] =
    [];
  readonly #server: Server;
  readonly #answers = new Map<
    string,
    (response: ServerResponse, body: string, request: IncomingMessage) => void
  >();

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '' } = request;
        const body = Buffer.concat(chunks).toString('utf8');
        this.requests.push({ method, url, headers: request.headers, body });
        const answer = this.#answers.get(`${method} ${url}`);
        if (answer === undefined) response.writeHead(404).end('{"title":"not here"}');
        else answer(response, body, request);
      });
    });
    this.json('GET /mcp/v1/info', { name: 'outrigger', version: '1' });
  }

  on(
    route: string,
    answer: (response: ServerResponse, body: string, request: IncomingMessage) => void,
  ): this {
    this.#answers.set(route, answer);
    return this;
  }

  json(route: string, body: unknown, status = 200): this {
    return this.on(route, (response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  }

  /** Answers with events: text or an object as data, or a pair of a name and an object. */
  events(route: string, ...events: readonly (string | object | readonly [string, object])[]): this {
    return this.on(route, (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of events) {
        const [name, data] = Array.isArray(event) ? (event as [string, object]) : ['message', event];
        response.write(`event: ${name}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
      }
      response.end();
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Collects what is written. */
export class Collected extends Writable {
  text = '';
  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    this.emit('text');
    done();
  }
}

/** Runs one command in this process. `stdin` is what is piped in. */
export async function command(
  args: readonly string[],
  options: Partial<Surroundings> & { readonly input?: string } = {},
) {
  const stdout = new Collected();
  const stderr = new Collected();
  const stdin = new PassThrough();
  stdin.end(options.input ?? '');
  const code = await run(args, {
    env: {},
    cwd: '/nowhere',
    home: undefined,
    stdin,
    stdout,
    stderr,
    program: '/opt/outrigger/dist/main.js',
    execPath: '/usr/bin/node',
    loadHost: () => Promise.reject(new Error('this test has no host of its own')),
    ...options,
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}
