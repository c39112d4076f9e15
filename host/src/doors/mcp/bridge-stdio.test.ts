import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { bridgeMcpStdio } from './bridge-stdio.js';
import { initializeRequest, modernRequest, startDoor, until, type Message } from './testing/door-server.js';
import { memoryLogger } from './testing/fake-port.js';
import type { ToolModule } from './tool-catalog.js';

function bridge(url: string, graceMs = 5000) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  let text = '';
  stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const served = bridgeMcpStdio({ url, logger: memoryLogger(), stdin, stdout, graceMs });
  const messages = (): Message[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Message);
  return {
    stdin,
    served,
    messages,
    send: (message: object) => stdin.write(`${JSON.stringify(message)}\n`),
    answer: async (id: unknown): Promise<Message> => {
      await until(() => messages().some((one) => one.id === id && !one.method), `${String(id)} is answered`);
      return messages().find((one) => one.id === id && !one.method) as Message;
    },
  };
}

const call = (id: string | number, model = '') => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'generate', arguments: { prompt: 'x', model }, _meta: { progressToken: 't' } },
});
const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };

function changingTools() {
  let tools: ToolModule[] = [];
  let listener: () => void = () => undefined;
  return {
    provider: { tools: () => tools, onChanged: (next: () => void) => ((listener = next), () => undefined) },
    change(title: string) {
      tools = [
        {
          definition: { name: 'p.new', title, inputSchema: { type: 'object' } },
          run: () => Promise.resolve({ content: [] }),
        },
      ];
      listener();
    },
  };
}

describe('stdio over a host that runs already', () => {
  it('carries a session: progress, notices, failures, and ends it at the host', async () => {
    const changing = changingTools();
    await using server = await startDoor({ providers: [changing.provider] });
    const client = bridge(server.url);
    client.send(initializeRequest);
    expect((await client.answer(0)).result.serverInfo.name).toBe('outrigger');
    client.send(initialized);
    client.send(call(1));
    expect((await client.answer(1)).result.structuredContent.text).toBe('Hello, world');
    const progress = client.messages().filter((one) => one.method === 'notifications/progress');
    expect(progress.map((one) => one.params.message).join('')).toBe('Hello, world');
    client.send({ ...call(2), params: { name: 'nope' } });
    expect((await client.answer(2)).error.code).toBe(-32602);
    let turn = 0;
    await until(() => {
      changing.change(String((turn += 1)));
      return client.messages().some((one) => one.method === 'notifications/tools/list_changed');
    }, 'the change is told');
    expect(server.door.sessions()).toBe(1);
    client.stdin.end();
    await client.served;
    expect(server.door.sessions()).toBe(0);
  });

  it('carries revision 2026-07-28 with its headers, odd names included', async () => {
    await using server = await startDoor();
    const client = bridge(server.url);
    client.send(modernRequest('server/discover', {}, 'd'));
    expect((await client.answer('d')).result.supportedVersions).toEqual(['2026-07-28']);
    client.send(
      modernRequest('tools/call', { name: 'generate', arguments: { prompt: 'x' } }, 'c', {
        progressToken: 1,
      }),
    );
    expect((await client.answer('c')).result.structuredContent.text).toBe('Hello, world');
    expect(client.messages().filter((one) => one.method === 'notifications/progress').length).toBeGreaterThan(
      0,
    );
    client.send(modernRequest('resources/read', { uri: 'models://ü 😀' }, 'r'));
    expect((await client.answer('r')).error).toMatchObject({
      code: -32602,
      message: expect.stringContaining('no model ü 😀'),
    });
    client.stdin.end();
    await client.served;
  });

  it.each([
    ['2026-07-28', (id: number) => modernRequest('tools/call', call(id, 'hang').params, id)],
    ['2025-11-25', (id: number) => call(id, 'hang')],
  ])('a cancel reaches the work at the host (%s)', async (version, request) => {
    await using server = await startDoor();
    const client = bridge(server.url);
    if (version === '2025-11-25') {
      client.send(initializeRequest);
      await client.answer(0);
      client.send(initialized);
    }
    client.send(request(7));
    await until(() => server.port.asked.length === 1, 'the call runs');
    client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } });
    await until(() => server.port.asked[0]?.call.signal.aborted === true, 'the call is aborted');
    client.stdin.end();
    const ended = client.served;
    await ended;
    expect(client.messages().some((one) => one.id === 7)).toBe(false);
  });

  it('begins a new session when the host has forgotten the old one', async () => {
    await using server = await startDoor({ limits: { sessions: 1 } });
    const client = bridge(server.url);
    client.send(initializeRequest);
    await client.answer(0);
    // Another client pushes the session out.
    await server.initialize();
    client.send({ jsonrpc: '2.0', id: 5, method: 'tools/list' });
    expect((await client.answer(5)).result.tools).toHaveLength(8);
    client.stdin.end();
    await client.served;
  });

  it('answers with an error when no host is there', async () => {
    const server = await startDoor();
    await server[Symbol.asyncDispose]();
    const client = bridge(server.url);
    client.send(initializeRequest);
    expect((await client.answer(0)).error).toMatchObject({
      code: -32603,
      message: expect.stringContaining('does not answer'),
    });
    client.stdin.end();
    await client.served;
  });
});
