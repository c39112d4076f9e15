import { PassThrough } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it, expect } from '@jest/globals';
import { HostClient } from './host-client.js';
import { bridgeMcp } from './mcp-bridge.js';
import { Collected, FakeHost } from './testing.js';

interface Rpc {
  id?: unknown;
  method?: string;
  result?: unknown;
  error?: { code: number; message: string };
}

let host: FakeHost;
let input: PassThrough;
let output: Collected;
let client: HostClient;
let stop: AbortController;
let done: Promise<void>;

beforeEach(async () => {
  host = await new FakeHost().start();
  begin(host.url);
});
afterEach(async () => {
  stop.abort();
  await done;
  await client.close();
  await host[Symbol.asyncDispose]();
});

function begin(url: string): void {
  input = new PassThrough();
  output = new Collected();
  client = new HostClient(url, 'key');
  stop = new AbortController();
  done = bridgeMcp({ input, output, client, signal: stop.signal, lingerMs: 20_000, maxLineBytes: 10_000 });
}

const say = (message: object) => input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const heard = () =>
  output.text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Rpc);
/** Waits until `look` finds something, at most ten seconds. */
async function until<T>(look: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not in time; heard ${output.text}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const answerTo = (id: unknown) =>
  until(() => heard().find((message) => message.id === id && message.method === undefined));
const json = (response: ServerResponse, message: object, headers: Record<string, string> = {}) =>
  response
    .writeHead(200, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ jsonrpc: '2.0', ...message }));

/** A host with sessions, as revisions up to 2025-11-25 want it. */
function withSessions(): { sessions: Set<string>; push: (message: object) => void } {
  const sessions = new Set<string>();
  const listeners = new Set<ServerResponse>();
  host.on('POST /mcp', (response, body, { headers }) => {
    const message = JSON.parse(body) as Rpc;
    if (message.method === 'initialize') {
      const id = `s${host.requests.length}`;
      sessions.add(id);
      return json(
        response,
        { id: message.id, result: { protocolVersion: '2025-06-18' } },
        { 'mcp-session-id': id },
      );
    }
    if (!sessions.has(String(headers['mcp-session-id']))) return response.writeHead(404).end();
    if (message.id === undefined) return response.writeHead(202).end();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(
      `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { of: message.id } })}\n\n`,
    );
    response.end(
      `data: ${JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { version: headers['mcp-protocol-version'] } })}\n\n`,
    );
  });
  host.on('GET /mcp', (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    listeners.add(response);
  });
  host.on('DELETE /mcp', (response, _body, { headers }) => {
    sessions.delete(String(headers['mcp-session-id']));
    response.writeHead(200).end();
  });
  return {
    sessions,
    push: (message) =>
      listeners.forEach((listener) =>
        listener.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`),
      ),
  };
}

describe('a conversation with a session', () => {
  it('keeps session and version, passes progress on, hears what comes unasked, and says goodbye', async () => {
    const { sessions, push } = withSessions();
    say({ id: 0, method: 'initialize', params: {} });
    say({ method: 'notifications/initialized' });
    say({ id: 1, method: 'tools/list' });
    expect((await answerTo(1)).result).toEqual({ version: '2025-06-18' });
    expect(heard().map(({ id, method }) => id ?? method)).toEqual([0, 'notifications/progress', 1]);
    await until(() => host.requests.find(({ method }) => method === 'GET'));
    push({ method: 'notifications/tools/list_changed' });
    await until(() => heard().find(({ method }) => method === 'notifications/tools/list_changed'));
    expect(host.requests.every(({ headers }) => headers.authorization === 'Bearer key')).toBe(true);
    input.end();
    await done;
    expect(sessions.size).toBe(0);
  });

  it('goes on when the host has forgotten the session', async () => {
    const { sessions } = withSessions();
    say({ id: 0, method: 'initialize', params: { clientInfo: { name: 'c' } } });
    say({ method: 'notifications/initialized' });
    await answerTo(0);
    sessions.clear();
    say({ id: 1, method: 'ping' });
    say({ id: 2, method: 'ping' });
    expect((await answerTo(1)).error).toBeUndefined();
    expect((await answerTo(2)).error).toBeUndefined();
    expect(heard().filter(({ id }) => id === 0)).toHaveLength(1);
    expect(sessions.size).toBe(1);
  });
});

describe('a conversation without a session', () => {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };

  it('repeats version, method and name in headers', async () => {
    host.on('POST /mcp', (response, body) =>
      json(response, { id: (JSON.parse(body) as Rpc).id, result: {} }),
    );
    say({ id: 'a', method: 'tools/call', params: { name: 'grüße', _meta } });
    await answerTo('a');
    expect(host.requests[0]?.headers).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': '=?base64?Z3LDvMOfZQ==?=',
    });
    expect(host.requests[0]?.headers['mcp-session-id']).toBeUndefined();
  });

  it('does not wait for subscriptions at the end', async () => {
    host.on('POST /mcp', (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    say({ id: 0, method: 'subscriptions/listen', params: { _meta } });
    await until(() => host.requests[0]);
    input.end();
    let over = false;
    void done.then(() => (over = true));
    await until(() => over || undefined);
  });

  it('cancels by closing the answer, without any answer', async () => {
    let closed = false;
    host.on('POST /mcp', (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      response.on('close', () => (closed = true));
    });
    say({ id: 0, method: 'tools/call', params: { name: 'slow', _meta } });
    await until(() => host.requests[0]);
    say({ method: 'notifications/cancelled', params: { requestId: 0 } });
    await until(() => closed || undefined);
    expect(heard()).toEqual([]);
    expect(host.requests).toHaveLength(1);
  });
});

describe('trouble', () => {
  it.each<[string, (response: ServerResponse) => unknown, Partial<Rpc['error'] & object>]>([
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
      { code: -32603, message: 'the host answered with status 502' },
    ],
    [
      'an answer that breaks off',
      (r) => r.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing\n\n'),
      { code: -32603, message: expect.stringContaining('broke off') as unknown as string },
    ],
    [
      'a lost connection',
      (r) => r.destroy(),
      { code: -32603, message: expect.stringContaining('does not answer') as unknown as string },
    ],
  ])('%s becomes an error of the request', async (_name, answer, error) => {
    host.on('POST /mcp', (response) => void answer(response));
    say({ id: 7, method: 'ping' });
    expect((await answerTo(7)).error).toMatchObject(error);
  });

  it('bad lines are answered and the next one works', async () => {
    host.on('POST /mcp', (response, body) =>
      json(response, { id: (JSON.parse(body) as Rpc).id, result: {} }),
    );
    input.write('no json\n\n');
    input.write(`"${'x'.repeat(20_000)}"\n`);
    say({ id: 1, method: 'ping' });
    await answerTo(1);
    expect(heard().map(({ id, error }) => [id, error?.code])).toEqual([
      [null, -32700],
      [null, -32700],
      [1, undefined],
    ]);
  });

  it('a client that stops reading ends the bridge', async () => {
    output.destroy(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    await done;
  });

  it('the end of the input waits for answers that are under way', async () => {
    let answer: (() => void) | undefined;
    host.on('POST /mcp', (response) => (answer = () => json(response, { id: 1, result: { late: true } })));
    say({ id: 1, method: 'ping' });
    input.end();
    (await until(() => answer))();
    await done;
    expect(heard()).toEqual([{ jsonrpc: '2.0', id: 1, result: { late: true } }]);
  });
});
