import { request } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import {
  answerOf,
  initializeRequest,
  messagesOf,
  modernRequest,
  startDoor,
  until,
  type Json,
  type Message,
} from './testing/door-server.js';
import { fakePort, memoryLogger } from './testing/fake-port.js';
import type { ToolModule } from './tool-catalog.js';

const call = (name: string, args: Json, meta?: Json) => ({
  name,
  arguments: args,
  ...(meta ? { _meta: meta } : {}),
});

async function connect(url: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport);
  return client;
}

/** fetch does not let a test set Host. */
function statusWithHost(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

describe('the way in', () => {
  it('refuses a foreign Host and a foreign Origin, and answers an allowed page', async () => {
    await using server = await startDoor({ allowedOrigins: ['localhost', 'https://app.example'] });
    expect(await statusWithHost(server.url, 'evil.example')).toBe(403);
    expect(await statusWithHost(server.url, 'localhost:1')).toBe(400);
    for (const origin of ['https://evil.example', 'null', 'https://app.example.evil.example']) {
      const refused = await server.post(initializeRequest, { origin });
      expect(refused.status).toBe(403);
      expect(await refused.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } });
      expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    }
    for (const origin of ['https://app.example', 'http://localhost:5173']) {
      const welcome = await server.post(initializeRequest, { origin });
      expect(welcome.status).toBe(200);
      expect(welcome.headers.get('access-control-allow-origin')).toBe(origin);
      await welcome.text();
    }
    const preflight = await fetch(server.url, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('mcp-session-id');
  });

  it.each([
    ['{"jsonrpc":', {}, 400, -32700],
    ['', {}, 400, -32700],
    ['{"a":1}', { 'content-type': 'text/plain' }, 415, -32000],
    ['{"a":1}', {}, 400, -32600],
    ['null', {}, 400, -32600],
    ['['.repeat(200) + ']'.repeat(200), {}, 400, -32600],
    [`{"x":"${'y'.repeat(3000)}"}`, {}, 413, -32000],
  ])('answers a bad body %.20s with a JSON-RPC error', async (body, headers, status, code) => {
    await using server = await startDoor({ limits: { bodyBytes: 2000 } });
    const response = await server.post(body, headers);
    const text = await response.text();
    expect([response.status, response.headers.get('content-type')]).toEqual([status, 'application/json']);
    expect(JSON.parse(text)).toMatchObject({ jsonrpc: '2.0', id: null, error: { code } });
    expect(text).not.toMatch(/<html|\\n\s+at |\/src\//i);
  });

  it('refuses a body that grows past the limit without saying so, and one that is not UTF-8', async () => {
    await using server = await startDoor({ limits: { bodyBytes: 2000 } });
    const send = (chunks: Uint8Array[]) =>
      fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: ReadableStream.from(chunks),
        duplex: 'half',
      });
    expect((await send([new Uint8Array(1500).fill(32), new Uint8Array(1500).fill(32)])).status).toBe(413);
    const response = await send([Buffer.from('"'), new Uint8Array([0xff, 0xfe]), Buffer.from('"')]);
    expect([response.status, ((await response.json()) as Message).error.code]).toEqual([400, -32700]);
  });

  it('answers other methods with 405 and what is allowed', async () => {
    await using server = await startDoor();
    const response = await fetch(server.url, { method: 'PUT', body: '{}' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST, DELETE, OPTIONS']);
    const modern = await fetch(server.url, { headers: { 'mcp-protocol-version': '2026-07-28' } });
    expect([modern.status, modern.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('asks the auth hook and keeps the sessions of callers apart', async () => {
    await using server = await startDoor({
      auth: (req) => {
        const key = req.headers.authorization;
        if (key === 'Bearer a' || key === 'Bearer b') return { principal: key };
        return { status: 401, message: 'no', headers: { 'www-authenticate': 'Bearer' } };
      },
    });
    const refused = await server.post(initializeRequest);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    const headers = await server.initialize({ authorization: 'Bearer a' });
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    expect((await server.post(list, { ...headers, authorization: 'Bearer b' })).status).toBe(404);
    expect((await answerOf(server.post(list, headers))).result.tools.length).toBe(8);
    await answerOf(
      server.modern('tools/call', call('generate', { prompt: 'x' }), {
        headers: { authorization: 'Bearer b' },
      }),
    );
    expect(server.port.asked.at(-1)?.call.principal).toBe('Bearer b');
  });

  it('hands the request id on', async () => {
    await using server = await startDoor();
    const response = await server.modern('tools/call', call('generate', { prompt: 'x' }), {
      headers: { 'x-request-id': 'my-id' },
    });
    await response.text();
    expect(response.headers.get('x-request-id')).toBe('my-id');
    expect(server.port.asked[0]?.call.requestId).toBe('my-id');
  });
});

/** The same requests in both eras. */
const eras = {
  '2025-11-25': async (server: Awaited<ReturnType<typeof startDoor>>) => {
    const headers = await server.initialize();
    return (method: string, params: Json, extra: { id?: string | number; signal?: AbortSignal } = {}) =>
      server.post({ jsonrpc: '2.0', id: extra.id ?? 1, method, params }, headers, extra.signal);
  },
  '2026-07-28': (server: Awaited<ReturnType<typeof startDoor>>) =>
    Promise.resolve(
      (method: string, params: Json, extra: { id?: string | number; signal?: AbortSignal } = {}) => {
        const { _meta, ...rest } = params as Json & { _meta?: Json };
        return server.modern(method, rest, { ...extra, ...(_meta ? { meta: _meta } : {}) });
      },
    ),
};

describe.each(Object.entries(eras))('revision %s', (version, begin) => {
  it('lists tools in their order, with their schemas untouched', async () => {
    await using server = await startDoor();
    const { result } = await answerOf((await begin(server))('tools/list', {}));
    expect(result.tools).toEqual(JSON.parse(JSON.stringify(server.catalog.tools())));
  });

  it('pages a long list and refuses a bad cursor', async () => {
    await using server = await startDoor({ limits: { pageSize: 3 } });
    const send = await begin(server);
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const { result } = await answerOf(send('tools/list', cursor === undefined ? {} : { cursor }));
      names.push(...result.tools.map((tool) => tool.name));
      cursor = result.nextCursor;
    } while (cursor !== undefined && names.length < 20);
    expect(names).toEqual(server.catalog.tools().map((tool) => tool.name));
    expect((await answerOf(send('tools/list', { cursor: 'nonsense' }))).error.code).toBe(-32602);
  });

  it('calls a tool; deltas arrive in order and the result is whole', async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => `piece ${i} `);
    await using server = await startDoor({ port: fakePort(pieces), limits: { progressFlushBytes: 16 } });
    const send = await begin(server);
    const messages = await messagesOf(
      await send('tools/call', call('generate', { prompt: 'hi' }, { progressToken: 'p' })),
    );
    const result = messages.pop()?.result;
    expect(result?.content).toEqual([{ type: 'text', text: pieces.join('') }]);
    expect(result?.structuredContent.finish_reason).toBe('stop');
    expect(messages.length).toBeGreaterThan(5);
    expect(messages.every((one) => one.method === 'notifications/progress')).toBe(true);
    expect(messages.map((one) => one.params.message).join('')).toBe(pieces.join(''));
    const progress = messages.map((one) => one.params.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(new Set(progress).size).toBe(progress.length);
  });

  it('sends no progress that nobody asked for', async () => {
    await using server = await startDoor();
    const messages = await messagesOf(
      await (
        await begin(server)
      )('tools/call', call('generate', { prompt: 'hi' })),
    );
    expect(messages).toHaveLength(1);
  });

  it('an unknown tool is -32602, a wrong argument a failed call that names the path', async () => {
    await using server = await startDoor();
    const send = await begin(server);
    expect((await answerOf(send('tools/call', call('nope', {})))).error).toMatchObject({ code: -32602 });
    const { result } = await answerOf(send('tools/call', call('generate', { prompt: 7 })));
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toBe('arguments.prompt must be string');
  });

  it('a fault of the host is an opaque -32603, logged under its id', async () => {
    const logger = memoryLogger();
    await using server = await startDoor({ logger });
    const { error } = await answerOf(
      (await begin(server))('tools/call', call('generate', { prompt: 'x', model: 'bug' })),
    );
    expect(error.code).toBe(-32603);
    expect(error.message).not.toContain('secret');
    const id = /[0-9a-f-]{36}/.exec(error.message)?.[0] ?? 'none';
    expect(logger.lines.some((line) => line.includes(id))).toBe(true);
  });

  it('names the parameter that is wrong, in one line', async () => {
    await using server = await startDoor();
    const send = await begin(server);
    const nameless = await answerOf(send('tools/call', { arguments: {} }));
    expect([nameless.error.code, nameless.error.message]).toEqual([
      -32602,
      expect.stringMatching(/name.*string.*undefined$/),
    ]);
    const { error } = await answerOf(send('tools/list', { cursor: 5 }));
    expect([error.code, error.message]).toEqual([-32602, expect.stringMatching(/cursor.*string.*number$/)]);
  });

  it('reads resources and names one that is not there', async () => {
    await using server = await startDoor();
    const send = await begin(server);
    const { result } = await answerOf(send('resources/read', { uri: 'models://list' }));
    expect((JSON.parse(result.contents[0]?.text ?? '') as { models: unknown[] }).models).toHaveLength(2);
    const list = await answerOf(send('resources/list', {}));
    expect(list.result.resources.map((one) => one.uri)).toEqual([
      'models://list',
      'config://providers',
      'stats://usage',
    ]);
    const templates = await answerOf(send('resources/templates/list', {}));
    expect(templates.result.resourceTemplates[0]?.uriTemplate).toBe('models://{id}');
    const { error } = await answerOf(send('resources/read', { uri: 'models://nope' }));
    expect(error.code).toBe(version === '2026-07-28' ? -32602 : -32002);
    const completion = await answerOf(
      send('completion/complete', {
        ref: { type: 'ref/resource', uri: 'models://{id}' },
        argument: { name: 'id', value: 'demo/b' },
      }),
    );
    expect(completion.result.completion.values).toEqual(['demo/beta']);
  });

  it('stops the work when the client leaves', async () => {
    await using server = await startDoor();
    const send = await begin(server);
    const abort = new AbortController();
    const gone = send('tools/call', call('generate', { prompt: 'x', model: 'hang' }), {
      signal: abort.signal,
    })
      .then((response) => response.text())
      .catch(() => 'gone');
    await until(() => server.port.asked.length === 1, 'the call runs');
    abort.abort();
    expect(await gone).toBe('gone');
    await until(() => server.port.asked[0]?.call.signal.aborted === true, 'the call is aborted');
    await until(() => server.door.running() === 0, 'the call has ended');
  });

  it('ends a call that takes too long with an error that says so', async () => {
    await using server = await startDoor({ limits: { callMs: 30 } });
    const { result } = await answerOf(
      (await begin(server))('tools/call', call('generate', { prompt: 'x', model: 'hang' })),
    );
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toContain('timed out');
    expect(server.port.asked[0]?.call.signal.aborted).toBe(true);
  });
});

describe('revision 2026-07-28 alone', () => {
  it('discovers without a session', async () => {
    await using server = await startDoor();
    const { result } = await answerOf(server.modern('server/discover'));
    expect(result.supportedVersions).toEqual(['2026-07-28']);
    expect(result.capabilities.tools).toEqual({ listChanged: true });
    expect(server.door.sessions()).toBe(0);
  });

  it('refuses headers that contradict the body, another version and an unknown method', async () => {
    await using server = await startDoor();
    const wrong = await server.modern('tools/list', {}, { headers: { 'mcp-method': 'tools/call' } });
    expect([wrong.status, ((await wrong.json()) as Message).error.code]).toEqual([400, -32020]);
    const body = modernRequest('tools/list', {}, 1, {
      'io.modelcontextprotocol/protocolVersion': '2030-01-01',
    });
    const later = await server.post(body, {
      'mcp-protocol-version': '2030-01-01',
      'mcp-method': 'tools/list',
    });
    expect([later.status, ((await later.json()) as Message).error.code]).toEqual([400, -32022]);
    const unknown = await server.modern('no/such');
    expect([unknown.status, ((await unknown.json()) as Message).error.code]).toEqual([404, -32601]);
  });

  it('tells a subscriber that the tools have changed and ends the stream when the door closes', async () => {
    let tools: ToolModule[] = [];
    let changed: () => void = () => undefined;
    const provider = {
      tools: () => tools,
      onChanged: (listener: () => void) => ((changed = listener), () => undefined),
    };
    const server = await startDoor({ providers: [provider] });
    const response = await server.modern(
      'subscriptions/listen',
      { notifications: { toolsListChanged: true } },
      { id: 'sub' },
    );
    const messages = messagesOf(response);
    tools = [
      {
        definition: { name: 'demo.new', inputSchema: { type: 'object' } },
        run: () => Promise.resolve({ content: [] }),
      },
    ];
    changed();
    await server[Symbol.asyncDispose]();
    expect((await messages).map((one) => one.method ?? one.id)).toEqual([
      'notifications/subscriptions/acknowledged',
      'notifications/tools/list_changed',
      'sub',
    ]);
  });
});

describe('revisions with sessions', () => {
  it('the official client connects, lists, calls, hears of changes and leaves', async () => {
    let tools: ToolModule[] = [];
    let changed: () => void = () => undefined;
    const provider = {
      tools: () => tools,
      onChanged: (listener: () => void) => ((changed = listener), () => undefined),
    };
    await using server = await startDoor({ providers: [provider] });
    const client = await connect(server.url);
    let heard = 0;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (heard += 1));
    expect((await client.listTools()).tools).toHaveLength(8);
    const progress: string[] = [];
    const result = await client.callTool({ name: 'generate', arguments: { prompt: 'hi' } }, undefined, {
      onprogress: (update) => progress.push(update.message ?? ''),
    });
    expect(result.structuredContent).toMatchObject({ text: 'Hello, world' });
    expect(progress.join('')).toBe('Hello, world');
    // The client holds failed calls against the output schema too.
    const failed = await client.callTool({ name: 'generate', arguments: { prompt: 'x', model: 'missing' } });
    expect(failed).toMatchObject({
      isError: true,
      structuredContent: { error: { kind: 'model_not_found' } },
    });
    tools = [
      {
        definition: { name: 'demo.new', inputSchema: { type: 'object' } },
        run: () => Promise.resolve({ content: [] }),
      },
    ];
    // The stream for notices opens in its own time.
    await until(() => {
      tools = [
        {
          ...(tools[0] as ToolModule),
          definition: { ...(tools[0] as ToolModule).definition, title: String(Math.random()) },
        },
      ];
      changed();
      return heard > 0;
    }, 'the client hears of the change');
    expect((await client.listTools()).tools).toHaveLength(9);
    expect(server.door.sessions()).toBe(1);
    await (client.transport as StreamableHTTPClientTransport).terminateSession();
    await client.close();
    expect(server.door.sessions()).toBe(0);
  });

  it.each([0, 7, 'x'])('cancels the request with id %j', async (id) => {
    await using server = await startDoor();
    const headers = await server.initialize();
    const body = {
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: call('generate', { prompt: 'x', model: 'hang' }),
    };
    const answer = server.post(body, headers).then((response) => response.text());
    await until(() => server.port.asked.length === 1, 'the call runs');
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } };
    expect((await server.post(cancel, headers)).status).toBe(202);
    await until(() => server.port.asked[0]?.call.signal.aborted === true, 'the call is aborted');
    await until(() => server.door.running() === 0, 'the call has ended');
    // No answer comes, and the stream does not stay open for it.
    expect(await answer).toBe('');
  });

  it('says 400 without a session, 404 for an unknown one and after DELETE', async () => {
    await using server = await startDoor();
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    expect((await server.post(list)).status).toBe(400);
    expect((await server.post(list, { 'mcp-session-id': 'nope' })).status).toBe(404);
    const headers = await server.initialize();
    expect((await fetch(server.url, { method: 'DELETE', headers })).status).toBe(200);
    expect((await server.post(list, headers)).status).toBe(404);
    expect(server.door.sessions()).toBe(0);
  });

  it('refuses batches in revisions without them and takes them in the one that has them', async () => {
    await using server = await startDoor();
    const batch = [1, 2].map((id) => ({ jsonrpc: '2.0', id, method: 'ping' }));
    const headers = await server.initialize();
    expect((await server.post(batch, headers)).status).toBe(400);
    const older = {
      ...initializeRequest,
      params: { ...initializeRequest.params, protocolVersion: '2025-03-26' },
    };
    const response = await server.post(older);
    await response.text();
    const session = response.headers.get('mcp-session-id') ?? '';
    const answers = await messagesOf(await server.post(batch, { 'mcp-session-id': session }));
    expect(answers.map((one) => one.id)).toEqual([1, 2]);
  });

  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])('speaks %s', async (protocolVersion) => {
    await using server = await startDoor();
    const { result } = await answerOf(
      server.post({ ...initializeRequest, params: { ...initializeRequest.params, protocolVersion } }),
    );
    expect(result.protocolVersion).toBe(protocolVersion);
  });
});
