import { connect, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { answerOf, initializeRequest, modernRequest, startDoor, until } from './testing/door-server.js';
import { fakePort, memoryLogger } from './testing/fake-port.js';
import { ManualClock } from './testing/manual-clock.js';

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

/** A client that sends a request and reads nothing. */
async function slowReader(url: string, body: object, headers: Record<string, string>): Promise<Socket> {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  socket.on('error', () => undefined);
  socket.pause();
  const text = JSON.stringify(body);
  const all = {
    host: `127.0.0.1:${port}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.write(`POST /mcp HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${text}`);
  return socket;
}

describe('sessions are bounded', () => {
  it('ends one that is idle for too long, and none with an open stream', async () => {
    const clock = new ManualClock();
    await using server = await startDoor({ clock, limits: { sessionIdleMs: 60_000 } });
    const idle = await server.initialize();
    const listening = await server.initialize();
    const stream = await fetch(server.url, { headers: { ...listening, accept: 'text/event-stream' } });
    expect(stream.status).toBe(200);
    expect(server.door.sessions()).toBe(2);
    clock.turn(50_000);
    expect(server.door.sessions()).toBe(2);
    clock.turn(30_000);
    expect(server.door.sessions()).toBe(1);
    expect((await server.post(list, idle)).status).toBe(404);
    expect((await answerOf(server.post(list, listening))).result.tools).toHaveLength(8);
    await stream.body?.cancel();
    await until(() => {
      clock.turn(20_000);
      return server.door.sessions() === 0;
    }, 'the session ends once its stream has');
  });

  it('ends the least recently used when there are too many, closing its stream', async () => {
    await using server = await startDoor({ limits: { sessions: 2 } });
    const first = await server.initialize();
    const second = await server.initialize();
    const stream = await fetch(server.url, { headers: { ...second, accept: 'text/event-stream' } });
    await answerOf(server.post(list, first));
    // The first was used last, but it is the one with nothing open.
    const third = await server.initialize();
    expect(server.door.sessions()).toBe(2);
    expect((await server.post(list, first)).status).toBe(404);
    await answerOf(server.post(list, third));
    const keep = await fetch(server.url, { headers: { ...third, accept: 'text/event-stream' } });
    await server.initialize();
    expect((await server.post(list, second)).status).toBe(404);
    expect(await stream.text()).toBe('');
    await keep.body?.cancel();
  });

  it('refuses a new one while every session has a call under way', async () => {
    await using server = await startDoor({ limits: { sessions: 1 } });
    const headers = await server.initialize();
    const abort = new AbortController();
    const body = {
      ...list,
      method: 'tools/call',
      params: { name: 'generate', arguments: { prompt: 'x', model: 'hang' } },
    };
    const running = server.post(body, headers, abort.signal).catch(() => undefined);
    await until(() => server.port.asked.length === 1, 'the call runs');
    const refused = await server.post(initializeRequest);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    abort.abort();
    await running;
  });

  it('does not keep one whose initialize was refused', async () => {
    await using server = await startDoor();
    const response = await server.post(initializeRequest, { accept: 'text/html' });
    expect(response.status).toBe(406);
    expect(server.door.sessions()).toBe(0);
  });
});

it('a body of more members than validators should see is refused, colons in texts aside', async () => {
  await using server = await startDoor({ limits: { bodyMembers: 50 } });
  const message = (members: number) => ({
    ...initializeRequest,
    params: {
      ...initializeRequest.params,
      clientInfo: { name: ':'.repeat(1000), version: '1' },
      _meta: Object.fromEntries(Array.from({ length: members }, (_, at) => [`k${at}`, '"::"'])),
    },
  });
  const refused = await server.post(message(60));
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    error: { code: -32600, message: 'Invalid Request: more than 50 members' },
  });
  expect((await server.post(message(20))).status).toBe(200);
});

describe('a slow reader', () => {
  const piece = 'x'.repeat(64 * 1024);
  const request = { name: 'generate', arguments: { prompt: 'x' } };
  const eras = {
    modern: () => ({
      body: modernRequest('tools/call', request, 1, { progressToken: 1 }) as object,
      headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'generate' },
    }),
    legacy: async (server: Awaited<ReturnType<typeof startDoor>>) => ({
      body: { ...list, method: 'tools/call', params: { ...request, _meta: { progressToken: 1 } } },
      headers: await server.initialize(),
    }),
  };

  it.each(Object.entries(eras))(
    'costs no more than its budget and still gets the whole result (%s)',
    async (_era, make) => {
      let sent = 0;
      const port = fakePort();
      const generate = port.generate.bind(port);
      const pieces = 800;
      port.generate = async (input, call, onDelta) => {
        for (; sent < pieces; sent++) {
          onDelta?.(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        return { ...(await generate(input, call)), text: 'the end' };
      };
      await using server = await startDoor({ port });
      const { body, headers } = await make(server);
      const socket = await slowReader(server.url, body, headers);
      using _cleanUp = { [Symbol.dispose]: () => socket.destroy() };
      await until(() => sent === pieces, 'everything is generated');
      let received = 0;
      let tail = '';
      socket.on('data', (chunk) => {
        received += chunk.length;
        tail = (tail + chunk.toString('latin1')).slice(-4000);
      });
      socket.resume();
      await until(() => tail.includes('the end'), 'the result arrives');
      // 50 MB were generated; what the kernel and the budget hold is far less.
      expect(received).toBeLessThan(16 * 1024 * 1024);
      expect(tail).toMatch(/"outrigger\/progressDropped":\d+/);
    },
  );

  it('is given up when it takes nothing for too long', async () => {
    const clock = new ManualClock();
    const logger = memoryLogger();
    const port = fakePort(['y'.repeat(32 * 1024 * 1024)]);
    await using server = await startDoor({ port, clock, logger, limits: { callMs: 1e9, heartbeatMs: 1e9 } });
    const headers = await server.initialize();
    const body = { ...list, method: 'tools/call', params: request };
    const socket = await slowReader(server.url, body, headers);
    using _cleanUp = { [Symbol.dispose]: () => socket.destroy() };
    await until(() => port.asked.length === 1 && server.door.running() === 0, 'the result is on its way');
    let closed = false;
    socket.on('close', () => (closed = true));
    await until(() => {
      clock.turn(10_000);
      return logger.lines.some((line) => line.includes('the reader takes nothing'));
    }, 'the reader is given up');
    socket.resume();
    await until(() => closed, 'the connection is closed');
  });
});
