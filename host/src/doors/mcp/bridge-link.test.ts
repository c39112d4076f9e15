import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { bridgeMcpStdio } from './bridge-stdio.js';
import { until } from './testing/door-server.js';
import { memoryLogger } from './testing/fake-port.js';

interface Rpc {
  readonly id?: unknown;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}
interface Request {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Answer = (response: ServerResponse, message: Rpc, request: Request) => unknown;

/** A host whose answers are scripted. */
let answer: Answer;
let requests: Request[];
let listeners: Set<ServerResponse>;
let server: ReturnType<typeof createServer>;
let stdin: PassThrough;
let stdout: PassThrough;
let text: string;
let ended: Promise<void>;

beforeEach(async () => {
  requests = [];
  listeners = new Set();
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', headers } = request;
      const seen = { method, headers, body: Buffer.concat(chunks).toString() };
      requests.push(seen);
      if (method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        listeners.add(response);
      } else if (method === 'DELETE') response.writeHead(200).end();
      else answer(response, JSON.parse(seen.body) as Rpc, seen);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  begin();
});
afterEach(async () => {
  stdin.end();
  for (const listener of listeners) listener.end();
  server.closeAllConnections();
  await ended;
  await new Promise((resolve) => server.close(resolve));
});

function begin(): void {
  stdin = new PassThrough();
  stdout = new PassThrough();
  text = '';
  stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  ended = bridgeMcpStdio({
    url,
    logger: memoryLogger(),
    stdin,
    stdout,
    headers: { authorization: 'Bearer k' },
  });
}

const say = (...messages: object[]) =>
  stdin.write(messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''));
const heard = () =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Rpc);
async function answerTo(id: unknown): Promise<Rpc> {
  const find = () => heard().find((message) => message.id === id && message.method === undefined);
  await until(() => find() !== undefined, `${String(id)} is answered`);
  return find() as Rpc;
}
const json = (response: ServerResponse, message: object, headers: Record<string, string> = {}) =>
  response
    .writeHead(200, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ jsonrpc: '2.0', ...message }));

/** Answers as a host with sessions does; what is in the set is known to it. */
function withSessions(slow = 0): Set<string> {
  const sessions = new Set<string>();
  let count = 0;
  answer = (response, message, { headers }) => {
    if (message.method === 'initialize') {
      const id = `s${(count += 1)}`;
      // A slow handshake shows who does not wait for it.
      setTimeout(() => {
        sessions.add(id);
        json(
          response,
          { id: message.id, result: { protocolVersion: '2025-06-18' } },
          { 'mcp-session-id': id },
        );
      }, slow);
    } else if (!sessions.has(String(headers['mcp-session-id']))) response.writeHead(404).end();
    else if (message.id === undefined) response.writeHead(202).end();
    else json(response, { id: message.id, result: { version: headers['mcp-protocol-version'] } });
  };
  return sessions;
}

const hello = [{ id: 0, method: 'initialize', params: {} }, { method: 'notifications/initialized' }];

describe('a session', () => {
  it('is there for whatever comes right behind the handshake, in its order and revision', async () => {
    withSessions(50);
    say(...hello, { id: 1, method: 'tools/list' }, { id: 2, method: 'ping' });
    expect((await answerTo(1)).result).toEqual({ version: '2025-06-18' });
    expect((await answerTo(2)).result).toEqual({ version: '2025-06-18' });
    const posts = requests.filter(({ method }) => method === 'POST');
    expect(posts.slice(0, 2).map(({ body }) => (JSON.parse(body) as Rpc).method)).toEqual([
      'initialize',
      'notifications/initialized',
    ]);
    expect(posts.every(({ headers }) => headers.authorization === 'Bearer k')).toBe(true);
  });

  it('that the host forgets while several requests run is renewed once for all', async () => {
    const sessions = withSessions(50);
    say(...hello);
    await until(() => requests.some(({ method }) => method === 'GET'), 'the handshake is over');
    sessions.clear();
    say({ id: 1, method: 'ping' }, { id: 2, method: 'ping' }, { id: 3, method: 'ping' });
    for (const id of [1, 2, 3]) expect((await answerTo(id)).result).toEqual({ version: '2025-06-18' });
    expect([...sessions]).toEqual(['s2']);
    expect(heard().filter(({ id }) => id === 0)).toHaveLength(1);
    expect(heard().some(({ id }) => id === 'bridge')).toBe(false);
  });

  it('that cannot be renewed is told, and the next request tries again', async () => {
    const sessions = withSessions();
    const good = answer;
    say(...hello);
    await until(() => requests.some(({ method }) => method === 'GET'), 'the handshake is over');
    sessions.clear();
    answer = (response, message, request) =>
      message.method === 'initialize' ? response.writeHead(503).end() : good(response, message, request);
    say({ id: 1, method: 'ping' });
    expect((await answerTo(1)).error?.message).toContain('status 404');
    answer = good;
    say({ id: 2, method: 'ping' });
    expect((await answerTo(2)).error).toBeUndefined();
  });

  it('hears the host speak unasked, and passes a batch on one by one', async () => {
    withSessions();
    say(...hello);
    await until(() => listeners.size === 1, 'it listens');
    for (const one of listeners)
      one.write('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n');
    await until(
      () => heard().some(({ method }) => method === 'notifications/tools/list_changed'),
      'it is told',
    );
    stdin.write('[{"jsonrpc":"2.0","id":8,"method":"ping"},{"jsonrpc":"2.0","id":9,"method":"ping"}]\n');
    await answerTo(8);
    await answerTo(9);
  });
});

describe('trouble', () => {
  it.each<[string, (response: ServerResponse) => unknown, object]>([
    [
      'a refusal without id',
      (r) =>
        r
          .writeHead(400, { 'content-type': 'application/json' })
          .end('{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"mismatch"}}'),
      { code: -32020, message: 'mismatch' },
    ],
    [
      'a page',
      (r) => r.writeHead(502).end('<html>'),
      { message: expect.stringContaining('status 502') as unknown },
    ],
    [
      'JSON that is no message',
      (r) => r.writeHead(403, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}'),
      { message: expect.stringContaining('status 403') as unknown },
    ],
    [
      'an answer that breaks off',
      (r) => r.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing\n\ndata: no json\n\n'),
      { message: expect.stringContaining('before it was whole') as unknown },
    ],
    [
      'a lost connection',
      (r) => r.destroy(),
      { message: expect.stringContaining('does not answer') as unknown },
    ],
  ])('%s becomes an error of the request', async (_name, how, error) => {
    answer = (response) => how(response);
    say({ id: 7, method: 'ping' });
    expect((await answerTo(7)).error).toMatchObject(error);
  });

  it('lines that are no messages are left out and the next one works', async () => {
    answer = (response, { id }) => json(response, { id, result: {} });
    stdin.write(`no json\n\n"text"\n[1,null]\n${JSON.stringify('x'.repeat(17 * 1024 * 1024))}\n`);
    say({ id: 1, method: 'ping' });
    await answerTo(1);
    expect(heard()).toHaveLength(1);
    expect(requests).toHaveLength(1);
  });

  it('megabytes go both ways, as one answer and as an event', async () => {
    const big = 'grüße '.repeat(1_000_000);
    answer = (response, { id }, { body }) => {
      const { params } = JSON.parse(body) as { params: object };
      if (id === 1) return json(response, { id, result: params });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: params })}\n\n`);
    };
    say({ id: 1, method: 'x', params: { big } }, { id: 2, method: 'x', params: { big } });
    expect((await answerTo(1)).result).toEqual({ big });
    expect((await answerTo(2)).result).toEqual({ big });
  });

  it('the end of the input waits for answers that are under way', async () => {
    let finish: (() => void) | undefined;
    answer = (response, { id }) => (finish = () => json(response, { id, result: { late: true } }));
    say({ id: 1, method: 'ping' });
    stdin.end();
    await until(() => finish !== undefined, 'it is asked');
    finish?.();
    await ended;
    expect(heard()).toEqual([{ jsonrpc: '2.0', id: 1, result: { late: true } }]);
  });

  it('does not wait for subscriptions at the end, nor for a client that reads no more', async () => {
    answer = (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    say({ id: 0, method: 'subscriptions/listen', params: { _meta } });
    await until(() => requests.length === 1, 'it is asked');
    stdin.end();
    await ended;
    begin();
    stdout.destroy(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    await ended;
  });
});
