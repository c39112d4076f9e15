import { readingToTheEnd } from '@outrigger/sdk-plugin';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { PullError } from './pull-error.js';
import type { PullSource } from './source.js';

const MAX_REDIRECTS = 10;

/** What the server says of a file before it is fetched. */
export interface RemoteFile {
  readonly size: number | undefined;
  /** SHA-256 of the content in hex, when the server tells it. */
  readonly sha256: string | undefined;
  /** Names this version of the file; a download is only resumed within one version. */
  readonly version: string | undefined;
}

/** HTTP for fetching models: follows redirects itself, so that the token stays with the hub. */
export class HubClient {
  readonly #agent = new Agent({
    connect: readingToTheEnd(buildConnector({ timeout: 15_000 })),
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
  });
  readonly #token: string | undefined;

  constructor(token: string | undefined) {
    this.#token = token;
  }

  /** Asks about a file. The hub tells size and checksum in its own headers, before it redirects to the storage. */
  async describe(source: PullSource, signal: AbortSignal): Promise<RemoteFile> {
    let linked: RemoteFile | undefined;
    const response = await this.#follow(source, 'HEAD', {}, signal, ({ headers }) => {
      linked ??= describedBy(headers, 'x-linked-etag', 'x-linked-size');
    });
    await response.body.dump();
    if (response.statusCode === 405 || response.statusCode === 501)
      return { size: undefined, sha256: undefined, version: undefined };
    refuseStatus(response.statusCode);
    const plain = describedBy(response.headers, 'etag', 'content-length');
    return {
      size: linked?.size ?? plain?.size,
      sha256: linked?.sha256 ?? plain?.sha256,
      version: linked?.version ?? plain?.version,
    };
  }

  /** Begins to fetch at a byte; the answer says by its status (206) whether it does begin there. */
  async fetch(source: PullSource, from: number, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const response = await this.#follow(source, 'GET', from === 0 ? {} : { range: `bytes=${from}-` }, signal);
    if (response.statusCode !== 416) refuseStatus(response.statusCode);
    return response;
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #follow(
    source: PullSource,
    method: 'GET' | 'HEAD',
    headers: Record<string, string>,
    signal: AbortSignal,
    onRedirect: (response: Dispatcher.ResponseData) => void = () => undefined,
  ): Promise<Dispatcher.ResponseData> {
    let url = source.url;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const trusted = source.hub && url.origin === source.url.origin && this.#token !== undefined;
      const response = await this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        signal,
        headers: {
          ...headers,
          'user-agent': 'outrigger',
          // A compressed answer could neither be resumed nor counted.
          'accept-encoding': 'identity',
          ...(trusted ? { authorization: `Bearer ${this.#token}` } : {}),
        },
      });
      const location = response.headers['location'];
      if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== 'string')
        return response;
      onRedirect(response);
      await response.body.dump();
      url = redirectTarget(location, url);
    }
    throw new PullError('unavailable', 'the server redirects in circles');
  }
}

function redirectTarget(location: string, from: URL): URL {
  let target: URL;
  try {
    target = new URL(location, from);
  } catch {
    throw new PullError('unavailable', 'the server redirects to something that is not an address');
  }
  if (target.protocol !== 'https:' && target.protocol !== from.protocol) {
    throw new PullError('unavailable', 'the server redirects from https to an unprotected address');
  }
  return target;
}

type Headers = Dispatcher.ResponseData['headers'];

function describedBy(headers: Headers, etagName: string, sizeName: string): RemoteFile | undefined {
  const etag = headers[etagName];
  const size = Number(headers[sizeName]);
  const version = typeof etag === 'string' ? etag.replace(/^W\//, '').replaceAll('"', '') : undefined;
  if (version === undefined && !Number.isSafeInteger(size)) return undefined;
  return {
    version,
    size: Number.isSafeInteger(size) ? size : undefined,
    // Only large files carry their SHA-256 here; others the name of a git object, which is another hash.
    sha256: version !== undefined && /^[0-9a-f]{64}$/i.test(version) ? version.toLowerCase() : undefined,
  };
}

function refuseStatus(status: number): void {
  if (status < 400) return;
  if (status === 404)
    throw new PullError('not_found', 'the server has no such file; check owner, repository and file name');
  if (status === 401 || status === 403) {
    throw new PullError(
      'denied',
      'the server refuses access; the model may be private or gated: set HF_TOKEN to a token that may read it',
    );
  }
  throw new PullError('unavailable', `the server answered with status ${status}`);
}
