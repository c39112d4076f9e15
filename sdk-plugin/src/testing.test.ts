import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HealthCheckResponse_ServingStatus, HealthDefinition, methodsOf } from '@outrigger/proto';
import { definePlugin, finish, text } from './index.js';
import { collect, fakeRuntime, gate, startPlugin, type FakeRuntime, type Gate } from './testing.js';

async function post(url: string, body: string): Promise<IncomingMessage> {
  const call = request(url, { method: 'POST' });
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return response;
}

describe('a scripted runtime', () => {
  let runtime: FakeRuntime;
  let door: Gate;
  beforeEach(async () => {
    door = gate();
    runtime = await fakeRuntime({
      'POST /stream': async (exchange) => {
        exchange.ndjson({ said: exchange.json() });
        await door.opened;
        exchange.sse('done', 'end');
        exchange.end();
      },
      'POST /cut': async (exchange) => {
        exchange.write('half');
        await door.opened;
        exchange.cut();
      },
      'POST /wait': async (exchange) => {
        exchange.begin(200, {});
        await exchange.closed;
      },
      'POST /broken': () => {
        throw new Error('scripted');
      },
    });
  });
  afterEach(() => runtime.close());

  it('writes piece by piece as the test lets it', async () => {
    const response = await post(`${runtime.url}/stream?x=1`, '{"a":1}');
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).toBe('{"said":{"a":1}}\n');
    door.open();
    expect(await textOf(response)).toBe('event: end\ndata: done\n\n');
    const exchange = await runtime.arrival('POST /stream');
    await exchange.closed;
    expect(exchange).toMatchObject({ left: false, path: '/stream?x=1', body: '{"a":1}' });
  });

  it('breaks off as a crash does', async () => {
    const response = await post(`${runtime.url}/cut`, '');
    door.open();
    await expect(textOf(response)).rejects.toThrow(/aborted/);
  });

  it('knows that its client has left', async () => {
    const response = await post(`${runtime.url}/wait`, '');
    response.on('error', () => undefined);
    response.destroy();
    const exchange = await runtime.arrival('POST /wait');
    await exchange.closed;
    expect(exchange.left).toBe(true);
    expect(exchange.signal.aborted).toBe(true);
  });

  it('says which route is missing, and lets a test add it', async () => {
    const missing = await post(`${runtime.url}/new`, '');
    expect([missing.statusCode, await textOf(missing)]).toEqual([
      404,
      '{"error":"the fake runtime has no route POST /new"}',
    ]);
    runtime.route({ '*': (exchange) => exchange.reply(201, { ok: true }) });
    expect((await post(`${runtime.url}/new`, '')).statusCode).toBe(201);
    expect((await post(`${runtime.url}/broken`, '')).statusCode).toBe(500);
    expect(runtime.exchanges).toHaveLength(3);
  });
});

describe('startPlugin', () => {
  it('fails with the error of the configuration, and leaves nothing behind', async () => {
    const definition = definePlugin({ name: 'subject', version: '1' });
    await expect(startPlugin(definition, { config: { a: 1 } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('Health.Watch', () => {
  it('tells the current state and then changes alone', async () => {
    await using plugin = await startPlugin(
      definePlugin({
        name: 'subject',
        version: '1',
        generate: async function* () {
          await Promise.resolve();
          yield [text('a'), finish('stop')];
        },
      }),
    );
    const { client } = plugin;
    const watch = client.transport.stream(methodsOf(HealthDefinition).watch, { service: '' });
    const next = async (): Promise<unknown> => {
      const { value } = await watch.next();
      return value && HealthCheckResponse_ServingStatus[value.status];
    };
    expect(await next()).toBe('SERVING');
    for (let i = 0; i < 3; i += 1) await collect(client.generate({ user: 'hi' }));
    for await (const _report of client.drain());
    expect(await next()).toBe('NOT_SERVING');
    await client.configure({});
    expect(await next()).toBe('SERVING');
    const unknown = client.transport.stream(methodsOf(HealthDefinition).watch, { service: 'nope' });
    expect((await unknown.next()).value).toEqual({
      status: HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN,
    });
    await unknown.return();
    await expect(client.health('nope')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
