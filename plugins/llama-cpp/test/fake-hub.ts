import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One file on the hub. */
export interface HubFile {
  readonly content: Buffer;
  /** What the hub says its SHA-256 is; default: the truth. */
  readonly announced?: string;
  /** Small files are not in the large-file storage: no redirect, and a git hash as their ETag. */
  readonly small?: boolean;
  /** Only with this token. */
  readonly token?: string;
}

/** A request as it came. */
export interface HubRequest {
  readonly server: 'hub' | 'storage';
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/**
 * A server that speaks as the Hugging Face hub does: `/OWNER/REPO/resolve/REVISION/FILE` answers with
 * `x-linked-etag` and `x-linked-size` and redirects to a storage on another origin, which knows ranges.
 */
export class FakeHub implements AsyncDisposable {
  readonly requests: HubRequest[] = [];
  readonly files = new Map<string, HubFile>();
  /** The storage breaks the connection after so many bytes, once per entry. */
  readonly breaks: number[] = [];
  /** The storage ignores Range and sends everything. */
  ignoreRanges = false;
  readonly #hub: Server;
  readonly #storage: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#answerHub(request, response));
    this.#storage = createServer((request, response) => this.#answerStorage(request, response));
  }

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    for (const server of [hub.#hub, hub.#storage]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return hub;
  }

  get endpoint(): string {
    return origin(this.#hub);
  }

  /** Puts `OWNER/REPO/FILE` on the hub. */
  put(name: string, file: HubFile): void {
    this.files.set(name, file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #note(server: HubRequest['server'], { method = '', url = '', headers }: IncomingMessage): void {
    const { range, authorization } = headers;
    this.requests.push({ server, method, path: url, range, authorization });
  }

  #answerHub(request: IncomingMessage, response: ServerResponse): void {
    this.#note('hub', request);
    const [, owner, repo, , , ...rest] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
    const name = [owner, repo, ...rest].join('/');
    const file = this.files.get(name);
    if (file === undefined)
      return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end('Entry not found');
    if (file.token !== undefined && request.headers.authorization !== `Bearer ${file.token}`) {
      return void response
        .writeHead(401, { 'x-error-code': 'GatedRepo' })
        .end('Access to model is restricted');
    }
    const hash = file.announced ?? createHash('sha256').update(file.content).digest('hex');
    if (file.small === true) {
      const etag = `"${createHash('sha1').update(file.content).digest('hex')}"`;
      return sendFile(request, response, file.content, { etag }, false);
    }
    response.writeHead(302, {
      location: `${origin(this.#storage)}/repos/${name}?X-Amz-Signature=abc`,
      'x-linked-etag': `"${hash}"`,
      'x-linked-size': String(file.content.length),
      'content-length': '1000',
    });
    response.end(request.method === 'HEAD' ? undefined : ' '.repeat(1000));
  }

  #answerStorage(request: IncomingMessage, response: ServerResponse): void {
    this.#note('storage', request);
    const name = (request.url ?? '').split('?')[0]?.replace('/repos/', '') ?? '';
    const file = this.files.get(name);
    if (file === undefined) return void response.writeHead(403).end();
    const etag = `"${createHash('md5').update(file.content).digest('hex')}"`;
    const cut = request.method === 'GET' ? this.breaks.shift() : undefined;
    sendFile(request, response, file.content, { etag }, this.ignoreRanges, cut);
  }
}

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  headers: Record<string, string>,
  ignoreRanges: boolean,
  cut?: number,
): void {
  const from = ignoreRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from > 0 && from >= content.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  }
  const body = content.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    ...headers,
    'accept-ranges': 'bytes',
    'content-length': String(body.length),
    ...(from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  });
  if (request.method === 'HEAD') return void response.end();
  if (cut === undefined || cut >= body.length) return void response.end(body);
  response.write(body.subarray(0, cut), () => response.destroy());
}
