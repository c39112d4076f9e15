import { connect, type Socket } from 'node:net';
import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GatewayError } from '../errors/gateway-error.js';
import { head, text } from './testing/scripted-inference.js';
import { openTestDoor, until, type TestDoor } from './testing/test-door.js';

const chat = '/v1/chat/completions';
const body = { messages: [{ role: 'user', content: 'hi' }] };

let door: TestDoor;
beforeEach(async () => {
  door = await openTestDoor({ maxBodyBytes: 200_000 });
});
afterEach(() => door.door.close(0));

/** Sends raw bytes and returns whatever comes until the other side closes. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(door.port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

const deep = (levels: number) => `{"messages":${'['.repeat(levels)}${']'.repeat(levels)}}`;

describe('a body', () => {
  const cases: [string, string | Buffer, Record<string, string>, number, RegExp][] = [
    ['that is empty', '', {}, 400, /empty/],
    ['that is no JSON', '{"a":', {}, 400, /not valid JSON/],
    ['that is a list', '[]', {}, 400, /must be a JSON object/],
    ['that is null', 'null', {}, 400, /must be a JSON object/],
    ['that is a text', '"x"', {}, 400, /must be a JSON object/],
    ['that is not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), {}, 400, /UTF-8/],
    ['nested 10,000 deep', deep(10_000), {}, 400, /deeper than 64/],
    ['of nothing but brackets', '['.repeat(150_000), {}, 400, /deeper than 64/],
    ['with __proto__', '{"__proto__":{"model":"x"},"messages":[]}', {}, 400, /__proto__/],
    ['with __proto__ inside', '{"messages":[{"__proto__":{}}]}', {}, 400, /__proto__/],
    ['with __proto__ in disguise', '{"\\u005f_proto__":{}}', {}, 400, /__proto__/],
    ['with half of a character', '{"messages":[{"role":"user","content":"\\ud800"}]}', {}, 400, /surrogate/],
    ['that is too large', `{"a":"${'x'.repeat(200_000)}"}`, {}, 413, /larger than 200000 bytes/],
    [
      'that is a form',
      'a=b',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      /application\/json/,
    ],
    ['that is plain text', '{}', { 'content-type': 'text/plain' }, 415, /application\/json/],
    ['in another encoding', '{}', { 'content-type': 'application/json; charset=latin1' }, 415, /UTF-8/],
    ['that is compressed', '{}', { 'content-encoding': 'gzip' }, 415, /compressed/],
  ];
  it.each(cases)(
    '%s is refused by both doors in their words',
    async (_name, bytes, headers, status, message) => {
      const openai = await door.send('POST', chat, bytes, headers);
      expect(openai.status).toBe(status);
      expect(openai.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(Object.keys(openai.json()['error'] as object)).toEqual(['message', 'type', 'param', 'code']);
      expect(openai.json()).toHaveProperty('error.message', expect.stringMatching(message));
      const rest = await door.send('POST', '/mcp/v1/chat', bytes, headers);
      expect(rest.status).toBe(status);
      expect(rest.headers['content-type']).toBe('application/problem+json');
      expect(rest.json()).toMatchObject({
        status,
        detail: expect.stringMatching(message),
        kind: expect.any(String),
      });
      expect(`${openai.text}${rest.text}`).not.toMatch(/<html|node:|\.js:|\.ts:/i);
      expect(({} as { model?: unknown }).model).toBeUndefined();
    },
  );

  it.each([
    'application/json',
    'application/json; charset=UTF-8',
    'application/json;charset="utf-8"',
    'application/ld+json',
  ])('of type %s is taken', async (type) => {
    expect((await door.post(chat, body, { 'content-type': type })).status).toBe(200);
  });

  it('may begin with a byte order mark, hold `constructor` and write text with escapes', async () => {
    const bytes = Buffer.from(
      `\ufeff{"constructor":1,"messages":[{"role":"user","content":"\\u00e4\\ud83d\\ude00 __proto__"}]}`,
    );
    expect((await door.send('POST', chat, bytes)).status).toBe(200);
    const { call } = door.inference.calls[0] ?? {};
    expect(call?.request.messages[0]?.parts[0]?.kind?.value).toEqual({ text: 'ä😀 __proto__' });
    expect(call?.parameters.get('constructor')).toBe(1);
  });

  it('may hold so many keys and entries and no more, commas in texts aside', async () => {
    await door.door.close(0);
    door = await openTestDoor({ maxBodyBytes: 1_000_000 });
    const content = ',:'.repeat(100_000);
    expect((await door.post(chat, { messages: [{ role: 'user', content }] })).status).toBe(200);
    const entries = (count: number) => `{"input":[${Array(count).fill('1').join(',')}]}`;
    const refused = { error: { message: expect.stringMatching(/more than 100000 keys and entries/) } };
    const reply = await door.send('POST', chat, entries(100_001));
    expect(reply.status).toBe(400);
    expect(reply.json()).toMatchObject(refused);
    expect((await door.send('POST', '/v1/embeddings', entries(300_000))).status).toBe(200);
    expect((await door.send('POST', '/mcp/v1/embed', entries(310_001))).status).toBe(400);
  });

  it('keeps all 64 bits of a seed', async () => {
    const bytes = `{"messages":[{"role":"user","content":"\\"seed\\": 1"}],"seed": 9007199254740993}`;
    expect((await door.send('POST', chat, bytes)).status).toBe(200);
    expect(door.inference.calls[0]?.call.request.sampling?.seed).toBe(9007199254740993n);
    expect(
      (await door.send('POST', chat, bytes.replace('9007199254740993', '99999999999999999999'))).status,
    ).toBe(400);
  });

  it('that lies about its length is refused without hanging', async () => {
    const lie = `POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n{}`;
    expect(await raw(lie)).toMatch(/^HTTP\/1\.1 413 [^]*payload_too_large/);
  });

  it('that is too large is read to its end, for clients that send all before they look for an answer', async () => {
    const size = 20_000_000;
    const head = (connection: string) =>
      `POST ${chat} HTTP/1.1\r\nhost: localhost\r\nconnection: ${connection}\r\ncontent-length: ${size}\r\n\r\n`;
    const socket = connect(door.port, '127.0.0.1');
    await new Promise((resolve, reject) => {
      socket.on('error', reject);
      // Nothing is read until everything is written.
      socket.pause();
      socket.write(head('close'));
      socket.write('x'.repeat(size), resolve);
    });
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.resume();
    await closed;
    expect(got).toMatch(/^HTTP\/1\.1 413 [^]*payload_too_large/);
  });

  it('in chunks is bounded as well', async () => {
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
    const flood = `POST ${chat} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(5)}`;
    expect(await raw(flood)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('that does not come in time is given up', async () => {
    await door.door.close(0);
    door = await openTestDoor({ receiveTimeoutMs: 100 });
    const slow = `POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{`;
    const got = await raw(slow);
    expect(got).toMatch(/^HTTP\/1\.1 408 /);
    expect(JSON.parse(got.split('\r\n\r\n')[1] ?? '')).toHaveProperty('error.message');
  });

  it('may wait for leave', async () => {
    const text = JSON.stringify(body);
    const head = `POST ${chat} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: `;
    expect(await raw(`${head}${text.length}\r\n\r\n${text}`)).toMatch(
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
    );
    expect(await raw(`${head}300000\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
  });
});

describe('an address', () => {
  it.each([
    ['GET', '/nope', 404],
    ['POST', '/v1/nope', 404],
    ['GET', '/v1', 404],
    ['GET', '/%zz', 404],
    ['GET', '/v1/models/%zz', 400],
    ['DELETE', '/v1/audio/speech', 404],
    ['GET', '/mcp/v1/nope', 404],
    ['GET', '/mcp', 404],
    ['GET', chat, 405],
    ['PUT', '/v1/models', 405],
    ['DELETE', '/v1/models/x', 405],
    ['GET', '/mcp/v1/chat', 405],
    ['POST', '/livez', 405],
    ['PATCH', '/openapi.json', 405],
  ])('%s %s is answered with JSON and %i', async (method, path, status) => {
    const reply = await door.send(method, path);
    expect(reply.status).toBe(status);
    expect(reply.headers['content-type']).toMatch(/json/);
    if (status === 405) expect(reply.headers.allow).toMatch(/GET|POST/);
    const json = reply.json();
    if (path.startsWith('/mcp/') || path === '/livez' || path === '/openapi.json')
      expect(json).toHaveProperty('kind');
    else expect(json).toHaveProperty('error.message');
  });

  it('near a known one names it', async () => {
    expect((await door.post('/chat/completions', body)).text).toContain('did you mean /v1/chat/completions?');
  });

  it('with a query is still a hot one', async () => {
    expect((await door.post(`${chat}?api-version=1`, body)).status).toBe(200);
  });

  it('answers HEAD like GET without a body, and OPTIONS with what is allowed', async () => {
    const reply = await door.send('HEAD', '/v1/models');
    expect(reply).toMatchObject({ status: 200, text: '' });
    expect(Number(reply.headers['content-length'])).toBeGreaterThan(0);
    const options = await door.send('OPTIONS', chat);
    expect(options).toMatchObject({ status: 204, headers: { allow: 'POST' } });
  });
});

it('what is not HTTP is answered with JSON', async () => {
  const got = await raw('this is not HTTP\r\n\r\n');
  expect(got).toMatch(/^HTTP\/1\.1 400 [^]*application\/json/);
  expect(got).toMatch(/\r\nx-request-id: req_[0-9a-f-]{36}\r\n/);
  expect(JSON.parse(got.split('\r\n\r\n')[1] ?? '')).toHaveProperty('error.type', 'invalid_request_error');
  expect(await raw(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 431 /,
  );
});

describe('a request id', () => {
  it('of the caller is kept when well-formed', async () => {
    const reply = await door.post(chat, body, { 'x-request-id': 'a.B_c:1-2' });
    expect(reply.headers['x-request-id']).toBe('a.B_c:1-2');
    expect(door.inference.calls[0]?.context.requestId).toBe('a.B_c:1-2');
  });

  it.each(['with space', 'x'.repeat(129), '<script>'])('like %s is replaced', async (id) => {
    expect((await door.post(chat, body, { 'x-request-id': id })).headers['x-request-id']).toMatch(
      /^req_[0-9a-f-]{36}$/,
    );
  });
});

it('strictness and trace context reach the router', async () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await door.post(chat, body, { traceparent: trace, 'x-outrigger-strict-params': 'true' });
  await door.post(chat, body, { traceparent: 'nonsense' });
  expect(door.inference.calls[0]?.context).toMatchObject({
    strictParams: true,
    traceparent: trace,
    door: 'openai',
  });
  expect(door.inference.calls[1]?.context).toMatchObject({ strictParams: false, traceparent: '' });
});

describe('a page in a browser', () => {
  it.each([
    ['evil.example', 403],
    ['evil.example:80', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost', 200],
    ['LOCALHOST:7070', 200],
    ['127.0.0.1:1', 200],
    ['[::1]:7070', 200],
  ])('that calls us %s gets %i', async (host, status) => {
    expect((await door.send('GET', '/v1/models', undefined, { host })).status).toBe(status);
    expect((await door.post(chat, body, { host })).status).toBe(status);
    expect((await door.send('GET', '/livez', undefined, { host })).status).toBe(200);
  });

  it('without a Host header is refused', async () => {
    expect(await raw('GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('of a foreign origin is refused, of an allowed one is let in', async () => {
    expect((await door.post(chat, body, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await door.post(chat, body, { origin: 'null' })).status).toBe(403);
    const local = await door.post(chat, body, { origin: 'http://localhost:3000' });
    expect(local).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': 'http://localhost:3000' },
    });
    await door.door.close(0);
    door = await openTestDoor({ allowedOrigins: ['https://good.example'] });
    const allowed = await door.post(chat, body, { origin: 'https://good.example' });
    expect(allowed).toMatchObject({ status: 200, headers: { vary: 'origin' } });
    expect(allowed.headers['access-control-expose-headers']).toContain('x-request-id');
  });

  it('gets its preflight answered without a credential', async () => {
    await door.door.close(0);
    door = await openTestDoor({}, { gate: () => new GatewayError('unauthenticated', 'no key') });
    const ask = {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-a, authorization',
    };
    const yes = await door.send('OPTIONS', chat, undefined, { origin: 'http://localhost:3000', ...ask });
    expect(yes).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-headers': 'x-a, authorization',
        'x-request-id': expect.stringMatching(/^req_/),
      },
    });
    expect(
      (await door.send('OPTIONS', chat, undefined, { origin: 'https://evil.example', ...ask })).status,
    ).toBe(403);
  });
});

it('the gate closes every door but those for probes', async () => {
  await door.door.close(0);
  let passed = 0;
  door = await openTestDoor(
    {},
    {
      gate: (request) =>
        request.headers.authorization === 'Bearer k'
          ? undefined
          : new GatewayError('unauthenticated', 'no key'),
      mcp: (_request, response) => {
        passed += 1;
        response.end('mcp');
      },
    },
  );
  for (const path of [chat, '/v1/models', '/mcp/v1/info', '/mcp', '/openapi.json', '/nope']) {
    const reply = await door.post(path, body);
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toBe('Bearer');
  }
  expect(passed).toBe(0);
  expect((await door.post('/mcp', {})).json()).toMatchObject({
    jsonrpc: '2.0',
    id: null,
    error: { code: -32001 },
  });
  expect((await door.post('/mcp', {}, { authorization: 'Bearer k' })).text).toBe('mcp');
  expect((await door.post(chat, body, { authorization: 'Bearer k' })).status).toBe(200);
  expect((await door.send('GET', '/readyz')).status).toBe(200);
});

it('further requests are refused while too many are running', async () => {
  await door.door.close(0);
  door = await openTestDoor({ maxInFlight: 1 });
  door.inference.script = undefined;
  const first = door.post(chat, body);
  await until(() => door.inference.generations.length === 1, 'a running request');
  const second = await door.post(chat, body);
  expect(second.status).toBe(429);
  expect(second.headers['retry-after']).toBe('1');
  expect((await door.send('GET', '/v1/models')).status).toBe(200);
  door.inference.generations[0]?.complete();
  expect((await first).status).toBe(200);
});

it('one caller cannot take the place of all others', async () => {
  await door.door.close(0);
  door = await openTestDoor(
    { maxInFlight: 10, maxInFlightPerCaller: 2 },
    { callerOf: ({ headers }) => headers['x-api-key'] as string | undefined },
  );
  door.inference.script = undefined;
  const as = (caller: string) => door.post(chat, body, { 'x-api-key': caller });
  const running = [as('a'), as('a'), as('b')];
  await until(() => door.inference.generations.length === 3, 'three running requests');
  const refused = await as('a');
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
  expect(refused.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
  for (const path of ['/mcp/v1/demo/m/chat', '/mcp/v1/chat']) {
    expect((await door.post(path, body, { 'x-api-key': 'a' })).status).toBe(429);
  }
  const unnamed = door.post(chat, body);
  await until(() => door.inference.generations.length === 4, 'one that nobody counts');
  for (const one of door.inference.generations) one.complete();
  for (const one of [...running, unnamed]) expect((await one).status).toBe(200);
  // Those that ended, and those that were refused, count no more.
  door.inference.script = [[head, text('x')]];
  for (let again = 0; again < 5; again++) expect((await as('a')).status).toBe(200);
});

it('connections beyond the bound are closed at once, and served again when others have gone', async () => {
  await door.door.close(0);
  door = await openTestDoor({ maxConnections: 2 });
  let accepted = 0;
  door.door.server.on('connection', (socket: Socket) => {
    accepted += 1;
    socket.on('close', () => (accepted -= 1));
  });
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(door.port, '127.0.0.1', () => resolve(socket));
      socket.on('error', reject);
    });
  const held = [await open(), await open()];
  // Both have to be accepted before the third comes.
  await until(() => accepted === 2, 'two are accepted');
  const third = await open();
  await new Promise((resolve) => third.on('close', resolve).resume());
  for (const socket of held) socket.destroy();
  await until(() => accepted === 0, 'both have gone');
  expect((await door.send('GET', '/livez')).status).toBe(200);
});

describe('requests that are sent ahead on one connection', () => {
  const one = (path: string, about: object): string => {
    const text = JSON.stringify(about);
    return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
  };

  it('are all answered, in their order', async () => {
    const socket = connect(door.port, '127.0.0.1');
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    const asked = Array.from({ length: 20 }, (_, at) => one(chat, { ...body, stream: at % 2 === 0 }));
    socket.write(`${asked.join('')}GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await until(() => got.endsWith('{"status":"ok"}'), 'all answers');
    expect(got.match(/HTTP\/1\.1 200/g)).toHaveLength(21);
    expect(got.match(/\[DONE\]/g)).toHaveLength(10);
    expect(door.door.inFlight).toBe(0);
    socket.destroy();
  });

  it('leave nothing behind when the connection ends', async () => {
    door.inference.script = undefined;
    const socket = connect(door.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(one(chat, { ...body, stream: true }).repeat(10));
    await until(() => door.inference.generations.length === 10, 'ten generations');
    expect(door.door.inFlight).toBe(10);
    socket.destroy();
    await until(() => door.door.inFlight === 0, 'none is worked on');
    expect(door.inference.generations.every(({ cancelled }) => cancelled)).toBe(true);
  });

  it('are bounded', async () => {
    door.inference.script = undefined;
    const socket = connect(door.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(one('/mcp/v1/chat', body).repeat(300));
    await closed;
    await until(() => door.door.inFlight === 0, 'none is worked on');
    expect(door.inference.generations.length).toBeLessThan(100);
    expect((await door.send('GET', '/livez')).status).toBe(200);
  });
});

describe('requests whose body comes slowly', () => {
  const begin = (path: string, length: number, first: string) => {
    const socket = connect(door.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${first}`,
    );
    return socket;
  };

  it.each([chat, '/mcp/v1/demo/m/chat'])('take no place of %s from those that are whole', async (path) => {
    await door.door.close(0);
    door = await openTestDoor({ maxInFlight: 2 });
    const slow = Array.from({ length: 10 }, () => begin(path, 100, '{'));
    await until(() => door.door.inFlight === 10, 'all have begun');
    expect((await door.post(path, body)).status).toBe(200);
    for (const socket of slow) socket.destroy();
    await until(() => door.door.inFlight === 0, 'they are gone');
  });

  it('may not fill the memory together', async () => {
    const whole = 200_000;
    const sockets = Array.from({ length: 40 }, () => begin(chat, whole, 'x'.repeat(whole - 1)));
    let refused = '';
    for (const socket of sockets) socket.on('data', (chunk: Buffer) => (refused += chunk.toString()));
    // Room for 32 of the largest.
    await until(() => (refused.match(/HTTP\/1\.1 429/g) ?? []).length === 8, 'what is too much is refused');
    for (const socket of sockets) socket.destroy();
    await until(() => door.door.inFlight === 0, 'they are gone');
    expect((await door.post(chat, body)).status).toBe(200);
  });
});

describe('health', () => {
  it('tells what is not ready', async () => {
    await door.door.close(0);
    let ok = false;
    door = await openTestDoor(
      {},
      { readiness: { checks: () => [{ name: 'plugins', ok, detail: 'none active' }] } },
    );
    expect((await door.send('GET', '/livez')).status).toBe(200);
    const not = await door.send('GET', '/readyz');
    expect(not).toMatchObject({ status: 503 });
    expect(not.json()).toEqual({ status: 'unavailable', failing: ['plugins'] });
    ok = true;
    const verbose = await door.send('GET', '/healthz?verbose');
    expect(verbose.status).toBe(200);
    expect(verbose.json()).toMatchObject({
      status: 'ok',
      version: '0.1.0',
      checks: [{ name: 'accepting' }, { name: 'plugins' }],
    });
  });
});

describe('closing', () => {
  it('lets a running request end and answers probes on open connections with 503', async () => {
    door.inference.script = undefined;
    const running = door.post(chat, body);
    await until(() => door.inference.generations[0]?.attached === true, 'a running request');
    const probe = connect(door.port, '127.0.0.1');
    let got = '';
    probe.on('data', (chunk: Buffer) => (got += chunk.toString()));
    probe.on('error', () => undefined);
    // Half a request: the connection is not idle and stays.
    await new Promise<void>((resolve) => probe.write('GET /readyz HTTP/1.1\r\n', () => resolve()));
    await until(() => connections() >= 2, 'both connections');
    const closing = door.door.close(5_000);
    expect(door.door.close(1)).toBe(closing);
    probe.write('host: localhost\r\n\r\n');
    await until(() => got.includes('unavailable'), 'the answer of the probe');
    expect(got).toMatch(/^HTTP\/1\.1 503 [^]*connection: close/i);
    await expect(door.send('GET', '/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    door.inference.generations[0]?.push(text('done'));
    door.inference.generations[0]?.complete();
    const reply = await running;
    expect(reply.status).toBe(200);
    await closing;
  });

  it('ends what takes too long with an explicit error', async () => {
    door.inference.script = undefined;
    const whole = door.post(chat, body);
    const stream = door.post(chat, { ...body, stream: true });
    await until(
      () => door.inference.generations.filter((one) => one.attached).length === 2,
      'two running requests',
    );
    for (const one of door.inference.generations) one.push(text('half'));
    await door.door.close(0);
    expect(await whole).toMatchObject({ status: 503 });
    const cut = await stream;
    expect(cut.text).toContain('"message":"the host is shutting down"');
    expect(cut.text).not.toContain('[DONE]');
    expect(door.inference.generations.every((one) => one.cancelled)).toBe(true);
  });

  it('does not wait for connections without a request', async () => {
    const idle = connect(door.port, '127.0.0.1');
    await until(() => connections() === 1, 'the connection');
    await door.door.close(60_000);
    idle.destroy();
  });
});

it('an address that is taken is an error', async () => {
  await expect(openTestDoor({ port: door.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('an error keeps the connection when there is nothing left to read', async () => {
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  for (const path of ['/nope', '/v1/models', '/nope']) {
    await new Promise<void>((resolve, reject) => {
      httpRequest({ port: door.port, path, agent }, (response) => {
        ports.add(response.socket.localPort);
        response.resume().on('end', resolve);
      })
        .on('error', reject)
        .end();
    });
  }
  agent.destroy();
  expect(ports.size).toBe(1);
});

let count = 0;
function connections(): number {
  door.door.server.getConnections((_error, now) => (count = now));
  return count;
}
