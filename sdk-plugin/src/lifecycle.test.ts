import { afterEach, describe, expect, it } from '@jest/globals';
import { RequestContext } from '@outrigger/proto';
import { PluginError, definePlugin, finish, text, type PluginDefinition } from './index.js';
import { collect, connectPlugin, gate, startPlugin, type StartOptions, type TestPlugin } from './testing.js';

let plugin: TestPlugin | undefined;
afterEach(async () => plugin?.close());

async function start<Config>(
  parts: Omit<PluginDefinition<Config>, 'name' | 'version'>,
  options?: StartOptions,
): Promise<TestPlugin> {
  plugin = await startPlugin(definePlugin<Config>({ name: 'subject', version: '1.2.3', ...parts }), options);
  return plugin;
}

/** A generate that waits for the returned gate between its first word and its end. */
function held() {
  const door = gate();
  async function* generate() {
    yield text('begun');
    await door.opened;
    yield finish('stop');
  }
  return { door, generate };
}

describe('identity', () => {
  it('says who is there, constantly', async () => {
    const { client, instanceId } = await start({ displayName: 'Subject', runtime: () => 'none 1' });
    const info = await client.info();
    expect(info).toMatchObject({ name: 'subject', buildVersion: '1.2.3', instanceId, runtime: 'none 1' });
    expect(info.descriptorDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(await client.info()).toEqual(info);
  });

  it('announces what has a handler, and only that', async () => {
    const { client } = await start({
      capabilities: {
        parameters: ['temperature', { name: 'min_p', schema: { type: 'number' } }],
        completion: false,
      },
      generate: held().generate,
      embed: () => Promise.reject(new Error('unused')),
    });
    const capabilities = await client.capabilities();
    expect(capabilities.operations).toEqual([1, 3]);
    expect(capabilities.parameters).toEqual([
      { name: 'temperature', schemaJson: '', description: '' },
      { name: 'min_p', schemaJson: '{"type":"number"}', description: '' },
    ]);
    expect(capabilities.maxRequestBytes).toBe(16 * 1024 * 1024);
    await expect(client.countTokens({ user: 'hi' })).rejects.toMatchObject({
      code: 'UNIMPLEMENTED',
      reason: 'UNSUPPORTED_OPERATION',
    });
    await expect(client.metrics()).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
  });

  it('refuses a request that means another instance', async () => {
    const { client, instanceId } = await start({ generate: held().generate });
    const context = RequestContext.create({ requestId: 'r', instanceId: 'someone-else' });
    await expect(collect(client.generate({ user: 'hi', context }))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'INSTANCE_MISMATCH',
      domain: 'plugin.outrigger.dev',
    });
    const own = RequestContext.create({ requestId: 'r', instanceId });
    for await (const _event of client.generate({ user: 'hi', context: own })) break;
  });
});

describe('Configure', () => {
  it('refuses what is not JSON, and any key when the plugin takes none', async () => {
    const { client } = await start({});
    await expect(client.configure('{"a":')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'config_json' }],
    });
    await expect(client.configure({ a: 1, b: 2 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_REQUEST',
      fields: [{ field: 'a' }, { field: 'b' }],
    });
    await expect(client.configure('[]')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('names every wrong field of a Standard Schema', async () => {
    const issues = [
      { message: 'must be a number', path: ['limits', { key: 'rows' }] },
      { message: 'unknown', path: ['x'] },
    ];
    const { client } = await start(
      { config: { '~standard': { validate: () => ({ issues }) } } },
      { config: false },
    );
    await expect(client.configure({})).rejects.toMatchObject({
      fields: [
        { field: 'limits.rows', description: 'must be a number' },
        { field: 'x', description: 'unknown' },
      ],
    });
  });

  it('keeps the configuration in force when a new one is refused', async () => {
    let inForce = '';
    const { client } = await start<{ word: string }>(
      {
        config: (value) => {
          const word = (value as { word?: unknown }).word;
          if (typeof word !== 'string') throw new TypeError('word: must be a string');
          return { word };
        },
        configure: ({ word }) => {
          if (word === 'bad') return Promise.reject(new PluginError('UPSTREAM_UNAVAILABLE', 'no'));
          inForce = word;
          return Promise.resolve([`took ${word}`]);
        },
        generate: async function* () {
          await Promise.resolve();
          yield text(inForce);
          yield finish('stop');
        },
      },
      { config: { word: 'one' } },
    );
    await expect(client.configure({ word: 1 }, 2)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(client.configure({ word: 'bad' }, 3)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await collect(client.generate({ user: 'hi' }))).text).toBe('one');
    expect(await client.configure({ word: 'two' }, 4)).toEqual(['took two']);
    expect((await collect(client.generate({ user: 'hi' }))).text).toBe('two');
  });

  it('answers a repeated call without doing it twice, and refuses a second one while the first runs', async () => {
    const entered = gate();
    const door = gate();
    let times = 0;
    const { client } = await start(
      {
        config: (value) => value,
        configure: async () => {
          times += 1;
          entered.open();
          await door.opened;
        },
      },
      { config: false },
    );
    const first = client.configure({ a: 1 }, 7);
    await entered.opened;
    await expect(client.configure({ a: 2 }, 8)).rejects.toMatchObject({
      code: 'ABORTED',
      reason: 'CONFLICT',
    });
    door.open();
    await first;
    await client.configure({ a: 1 }, 7);
    expect(times).toBe(1);
  });

  it('must come before traffic', async () => {
    const { client } = await start(
      { configure: () => Promise.resolve(), generate: held().generate },
      { config: false },
    );
    await expect(collect(client.generate({ user: 'hi' }))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'STARTING',
    });
  });
});

describe('Drain', () => {
  it('refuses new work, lets the old go on, reports and ends at zero', async () => {
    const { door, generate } = held();
    const { client } = await start({ generate });
    const stream = client.generate({ user: 'hi' });
    await stream.next();

    const reports = client.drain();
    expect((await reports.next()).value).toEqual({ inFlight: 1 });
    expect(await client.health()).toBe('NOT_SERVING');
    expect(await client.health('outrigger.plugin.v1.Inference')).toBe('NOT_SERVING');
    await expect(collect(client.generate({ user: 'hi' }))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'DRAINING',
    });
    const second = client.drain();
    expect((await second.next()).value).toEqual({ inFlight: 1 });

    door.open();
    let last;
    for await (const event of stream) last = event.event?.$case;
    expect(last).toBe('end');
    expect((await reports.next()).value).toEqual({ inFlight: 0 });
    expect((await reports.next()).done).toBe(true);
    expect((await second.next()).value).toEqual({ inFlight: 0 });
    expect((await second.next()).done).toBe(true);
  });

  it('is undone by Configure', async () => {
    const { door, generate } = held();
    const { client } = await start({ generate });
    const stream = client.generate({ user: 'hi' });
    await stream.next();
    const reports = client.drain();
    await reports.next();
    await client.configure({}, 1);
    await expect(reports.next()).rejects.toMatchObject({ code: 'ABORTED', reason: 'CONFLICT' });
    expect(await client.health()).toBe('SERVING');
    door.open();
    for await (const _event of stream);
    expect((await collect(client.generate({ user: 'hi' }))).finish).toBe('STOP');
  });

  it('goes on when its caller leaves', async () => {
    const { door, generate } = held();
    const { client } = await start({ generate });
    const stream = client.generate({ user: 'hi' });
    await stream.next();
    for await (const _report of client.drain()) break;
    await expect(collect(client.generate({ user: 'hi' }))).rejects.toMatchObject({ reason: 'DRAINING' });
    door.open();
    for await (const _event of stream);
  });
});

describe('Shutdown', () => {
  it('answers, cuts streams with DRAINING, calls stop once and closes the socket', async () => {
    let stops = 0;
    const { generate } = held();
    const { client, address } = await start({ generate, stop: () => Promise.resolve(void (stops += 1)) });
    const stream = client.generate({ user: 'hi' });
    await stream.next();
    await stream.next();
    await client.shutdown(1_000);
    await expect(stream.next()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' });
    await plugin?.close();
    expect(stops).toBe(1);
    const late = connectPlugin(address);
    await expect(late.info()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    late.close();
  });

  it('does not wait longer than the grace for stop(), nor for a handler that ignores its signal', async () => {
    const door = gate();
    const { client } = await start(
      {
        generate: async function* () {
          yield text('begun');
          await door.opened;
        },
        stop: () => door.opened,
      },
      { graceMs: 20 },
    );
    const stream = client.generate({ user: 'hi' });
    await stream.next();
    const log = plugin?.log;
    await plugin?.close();
    expect(log?.lines.map((line) => line.msg)).toContain('stop() took longer than its grace');
    door.open();
  });
});
