import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  GenerateRequest,
  InferenceDefinition,
  LifecycleDefinition,
  MultiplexDefinition,
  RequestContext,
  Sample,
  contractDescriptorSet,
  grpcCode,
  methodsOf,
} from '@outrigger/proto';
import { PluginError, definePlugin, finish, pluginService, text } from './index.js';
import { CarryClient, begin, cancel, credit } from './testing/carry-client.js';
import { gate, startPlugin, type Gate, type StartOptions, type TestPlugin } from './testing.js';

const firstCredit = 65_536;
const pieceBytes = 262_144;

const message = { requestType: Sample, requestStream: false, responseType: Sample } as const;
const WorkDefinition = {
  name: 'Work',
  fullName: 'fixture.work.v1.Work',
  methods: {
    tell: { ...message, name: 'Tell', responseStream: false },
    tick: { ...message, name: 'Tick', responseStream: true },
  },
} as const;

const work = methodsOf(WorkDefinition);
const inference = methodsOf(InferenceDefinition);
const lifecycle = methodsOf(LifecycleDefinition);
const ask = (what: string): Buffer => work.tell.request.encode(Sample.create({ name: what }));
const sample = (name: string): Sample => Sample.create({ name });

let plugin: TestPlugin;
let host: CarryClient;
let door: Gate;
/** Handlers that run, and items that `tick` has made. */
let running = 0;
let made = 0;

/** Waits for the door or the end of the call. */
async function atTheDoor(signal: AbortSignal): Promise<void> {
  running += 1;
  try {
    const left = new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    );
    await Promise.race([door.opened, left]);
  } finally {
    running -= 1;
  }
}

const service = pluginService({
  definition: WorkDefinition,
  descriptorSet: contractDescriptorSet(),
  handlers: {
    tell: async ({ name }, { signal }) => {
      if (name === 'wait') await atTheDoor(signal);
      if (name === 'nowhere') throw new PluginError('NOT_FOUND', 'no such place');
      if (name === 'fields') {
        const fields = [{ field: 'name', description: 'must be another' }];
        throw new PluginError('INVALID_REQUEST', 'wrong', { fields, metadata: { at: 'once' } });
      }
      if (name === 'busy') throw new PluginError('QUEUE_FULL', 'later', { retryAfterMs: 1500 });
      if (name === 'broken') throw new Error('secret');
      return sample(/^\d+$/.test(name) ? 'x'.repeat(Number(name)) : `you said ${name}`);
    },
    // `count size`, then `wait` waits and `fail` fails; with `mixed` every other one is short.
    tick: async function* ({ name }, { signal }) {
      const [count = '0', size = '0', then] = name.split(' ');
      for (let index = 0; index < Number(count); index++) {
        made += 1;
        yield sample('x'.repeat(then === 'mixed' && index % 2 === 1 ? index : Number(size)));
      }
      if (then === 'wait') await atTheDoor(signal);
      if (then === 'fail') throw new PluginError('CONFLICT', 'failed at last');
    },
  },
});

async function start(options: StartOptions = {}, configurable = false): Promise<void> {
  plugin = await startPlugin(
    definePlugin({
      name: 'subject',
      version: '1.0.0',
      ...(configurable ? { config: (value: unknown) => value } : {}),
      async *generate() {
        await Promise.resolve();
        yield text('hello');
        yield finish('stop');
      },
      services: [service],
    }),
    options,
  );
  host = new CarryClient(plugin.address);
}

beforeEach(async () => {
  door = gate();
  running = 0;
  made = 0;
  await start();
});
afterEach(async () => {
  door.open();
  host.close();
  await plugin.close();
});

/** Several rounds of another call: whatever was to happen in the meantime has happened. */
async function aWhile(other = host, rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    other.say(begin(4000, work.tell.path, ask('ping')));
    await other.end(4000);
  }
}

/** Resolves when the condition holds, which no message tells. */
async function come(condition: () => boolean): Promise<void> {
  const other = new CarryClient(plugin.address);
  while (!condition()) await aWhile(other, 1);
  other.close();
}

interface Plain {
  readonly messages: Buffer[];
  readonly code: number;
  readonly message: string;
  readonly details: Buffer;
}

/** The same call as a call of its own. */
function plainly(path: string, request: Buffer): Promise<Plain> {
  const client = new Client(plugin.address, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeServerStreamRequest(path, same, same, request);
  const messages: Buffer[] = [];
  call.on('data', (bytes: Buffer) => messages.push(bytes));
  call.on('error', () => undefined);
  return new Promise((resolve) => {
    call.on('status', ({ code, details, metadata }: ServiceError) => {
      const bytes = metadata.get('grpc-status-details-bin')[0];
      client.close();
      resolve({
        messages,
        code,
        message: details === 'OK' ? '' : details,
        details: Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0),
      });
    });
  });
}

describe('a carried call', () => {
  const generate = (instanceId = ''): Buffer =>
    inference.generate.request.encode(
      GenerateRequest.create({ prompt: 'hi', context: RequestContext.create({ instanceId }) }),
    );
  it.each<[string, string, Buffer]>([
    ['unary', work.tell.path, ask('ok')],
    ['streaming', work.tick.path, ask('5 100')],
    ['streaming nothing', work.tick.path, ask('0')],
    ['of the contract', inference.generate.path, generate()],
    ['to another instance', inference.generate.path, generate('another')],
    ['that fails', work.tell.path, ask('nowhere')],
    ['that fails with fields', work.tell.path, ask('fields')],
    ['that fails with a time to wait', work.tell.path, ask('busy')],
    ['that fails unexpectedly', work.tell.path, ask('broken')],
    ['that fails at last', work.tick.path, ask('3 10 fail')],
    ['with a request that cannot be read', work.tell.path, Buffer.from([0xff])],
    ['of an operation without handler', inference.embed.path, Buffer.alloc(0)],
  ])('answers as a call of its own: %s', async (_, path, request) => {
    host.say(begin(1, path, request));
    const { messages, end } = await host.end(1);
    expect({ messages, ...end }).toEqual(await plainly(path, request));
  });

  it('is refused before Configure as any call is', async () => {
    host.close();
    await plugin.close();
    await start({ config: false }, true);
    host.say(begin(1, work.tell.path, ask('ok')));
    expect((await host.end(1)).reason).toBe('STARTING');
  });

  it('of an unknown method ends with UNIMPLEMENTED and leaves the others alone', async () => {
    host.say(
      begin(1, '/no.such.Service/Method', Buffer.alloc(0)),
      begin(2, '/outrigger.plugin.v1.Multiplex/Carry', Buffer.alloc(0)),
      begin(3, work.tell.path, ask('ok')),
    );
    expect((await host.end(1)).end?.code).toBe(grpcCode.UNIMPLEMENTED);
    expect((await host.end(2)).end?.code).toBe(grpcCode.UNIMPLEMENTED);
    expect((await host.end(3)).end?.code).toBe(0);
  });

  it('does not wait for the ones beside it', async () => {
    host.say(begin(1, work.tell.path, ask('wait')), begin(2, work.tell.path, ask('ok')));
    await host.end(2);
    expect(host.call(1).end).toBeUndefined();
    door.open();
    expect((await host.end(1)).messages).toHaveLength(1);
  });

  it('may have the number of one that has ended; late steps of that one are ignored', async () => {
    for (let round = 0; round < 50; round++) {
      host.say(cancel(7), credit(7, 10), begin(7, work.tell.path, ask(`${round}`)));
      const { end, messages } = await host.end(7);
      expect(end?.code).toBe(0);
      expect(messages).toHaveLength(1);
      host.say(cancel(7), credit(7, 10));
    }
  });
});

describe('cancel', () => {
  it('tells the handler, frees its slot, and the end follows', async () => {
    host.say(begin(1, work.tell.path, ask('wait')), begin(2, work.tick.path, ask('1 1 wait')));
    await come(() => running === 2);
    host.say(cancel(1), cancel(2));
    expect((await host.end(1)).reason).toBe('CANCELLED');
    expect((await host.end(2)).end?.code).toBe(grpcCode.CANCELLED);
    expect(running).toBe(0);
    expect(await drained()).toEqual([0]);
  });

  it('may come with the beginning, and twice', async () => {
    host.say(begin(1, work.tell.path, ask('wait')), cancel(1), cancel(1), cancel(99));
    expect((await host.end(1)).reason).toBe('CANCELLED');
    await aWhile();
    expect(host.call(1).ends).toHaveLength(1);
  });

  it('does not call whole what was dropped', async () => {
    host.say(begin(1, work.tick.path, ask('5 40000')));
    await host.until(() => host.call(1).messages.length === 2);
    await aWhile();
    host.say(cancel(1));
    expect((await host.end(1)).end?.code).toBe(grpcCode.CANCELLED);
  });
});

describe('credit', () => {
  it('is kept, and granting goes on where it stopped', async () => {
    host.say(begin(1, work.tick.path, ask('1000 1000')));
    const heard = host.call(1);
    const used = (): number => heard.messages.reduce((sum, { length }) => sum + length + 32, 0);
    await host.until(() => used() >= firstCredit);
    await aWhile();
    expect(used()).toBeLessThan(firstCredit + 1100);
    // It makes no more either than fits into one framing.
    expect(made).toBeLessThan(heard.messages.length + 40);
    const before = heard.messages.length;
    host.say(credit(1, 10_000));
    await host.until(() => heard.messages.length >= before + 9);
    host.say(credit(1, 2_000_000));
    await host.end(1);
    expect(heard.messages).toHaveLength(1000);
    expect(heard.end?.code).toBe(0);
  });

  it('is taken by empty messages too', async () => {
    host.say(begin(1, work.tick.path, ask('100000 0')));
    await host.until(() => host.call(1).messages.length >= firstCredit / 32);
    await aWhile();
    expect(host.call(1).messages).toHaveLength(firstCredit / 32);
    expect(made).toBeLessThan(firstCredit / 32 + 40);
  });

  it('may be overdrawn by one message', async () => {
    host.say(begin(1, work.tick.path, ask('3 200000')));
    await host.until(() => host.call(1).messages.length === 1);
    host.say(credit(1, 200_035 - firstCredit));
    await aWhile();
    expect(host.call(1).messages).toHaveLength(1);
    host.say(credit(1, 2));
    await host.until(() => host.call(1).messages.length === 2);
    host.say(credit(1, 300_000));
    expect((await host.end(1)).messages).toHaveLength(3);
  });

  it('without end does not make a plugin fill its memory for a host that does not read', async () => {
    host.stream.pause();
    host.say(begin(1, work.tick.path, ask('100000 60000')));
    for (let times = 0; times < 10; times++) host.say(credit(1, 0xffff_ffff));
    await come(() => made * 60_000 > 1024 * 1024);
    const other = new CarryClient(plugin.address);
    await aWhile(other, 50);
    // What may wait, what is under way, and what the client's library reads ahead.
    const held = made;
    expect(held * 60_000).toBeLessThan(8 * 1024 * 1024);
    await aWhile(other, 50);
    expect(made).toBe(held);
    other.close();
    host.stream.resume();
    await host.until(() => host.call(1).messages.length > 200);
  });
});

describe('a long message', () => {
  it('travels in pieces', async () => {
    host.say(begin(1, work.tell.path, ask('600000')), begin(2, work.tick.path, ask('2 262141')));
    const long = await host.end(1);
    const [whole = Buffer.alloc(0)] = long.messages;
    expect(long.parts).toEqual([pieceBytes, pieceBytes, whole.length - 2 * pieceBytes]);
    expect(work.tell.response.decode(whole).name).toHaveLength(600_000);
    host.say(credit(2, 1_000_000));
    // The sample's three or four bytes around the name count too.
    expect((await host.end(2)).messages).toHaveLength(2);
  });

  it('does not hold up short ones, and long ones take turns', async () => {
    const long = ask(String(8 * 1024 * 1024));
    host.say(
      begin(1, work.tell.path, long),
      begin(2, work.tell.path, long),
      begin(3, work.tell.path, ask('a')),
    );
    await host.end(3);
    expect([host.call(1).end, host.call(2).end]).toEqual([undefined, undefined]);
    await host.end(1);
    await host.end(2);
    const turns = host.order.filter((call) => call !== 3);
    expect(turns.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, at) => 1 + (at % 2)));
  });

  it('stays in order with short ones before and after', async () => {
    host.say(begin(1, work.tick.path, ask('40 300000 mixed')), credit(1, 2 ** 31));
    const { messages, end } = await host.end(1);
    expect(messages.map((bytes) => work.tick.response.decode(bytes).name.length)).toEqual(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 1 ? index : 300_000)),
    );
    expect(end?.code).toBe(0);
  });

  it('stops when its call is given up', async () => {
    host.say(begin(1, work.tell.path, ask(String(32 * 1024 * 1024))));
    await host.until(() => host.call(1).parts.length > 0);
    host.say(cancel(1));
    const { messages, end } = await host.end(1);
    expect(messages).toHaveLength(0);
    expect(end?.code).toBe(grpcCode.CANCELLED);
  });
});

describe('a deadline', () => {
  it('ends the call', async () => {
    host.say(begin(1, work.tell.path, ask('wait'), 20));
    const heard = await host.end(1);
    expect(heard.end?.code).toBe(grpcCode.DEADLINE_EXCEEDED);
    expect(heard.reason).toBe('UPSTREAM_TIMEOUT');
    expect(running).toBe(0);
  });

  it('does not call whole what still waited', async () => {
    host.say(begin(1, work.tick.path, ask('5 40000'), 100));
    expect((await host.end(1)).reason).toBe('UPSTREAM_TIMEOUT');
  });

  it('may be weeks away', async () => {
    host.say(begin(1, work.tell.path, ask('wait'), 0xffff_ffff));
    await come(() => running === 1);
    await aWhile();
    door.open();
    expect((await host.end(1)).end?.code).toBe(0);
  });
});

/** The counts that a drain reports. */
async function drained(): Promise<number[]> {
  const counts: number[] = [];
  for await (const { inFlight } of plugin.client.drain()) counts.push(inFlight);
  return counts;
}

describe('a drain', () => {
  it('refuses what is new, lets go on what is under way, and does not wait for the carrier', async () => {
    host.say(begin(1, work.tell.path, ask('wait')));
    await come(() => running === 1);
    host.say(begin(2, lifecycle.drain.path, Buffer.alloc(0)));
    await host.until(() => host.call(2).messages.length === 1);
    host.say(begin(3, work.tell.path, ask('ok')));
    const refused = await host.end(3);
    expect([refused.end?.code, refused.reason]).toEqual([grpcCode.UNAVAILABLE, 'DRAINING']);
    door.open();
    expect((await host.end(1)).end?.code).toBe(0);
    const reports = (await host.end(2)).messages.map(
      (bytes) => lifecycle.drain.response.decode(bytes).inFlight,
    );
    expect(reports).toEqual([1, 0]);
  });

  it('is ended by Configure: the carrier takes calls again', async () => {
    await drained();
    await plugin.client.configure({});
    host.say(begin(1, work.tell.path, ask('ok')));
    expect((await host.end(1)).end?.code).toBe(0);
  });
});

describe('a stop', () => {
  it('ends every call with DRAINING, then the carrier', async () => {
    for (let call = 1; call <= 50; call++) host.say(begin(call, work.tell.path, ask('wait')));
    await come(() => running === 50);
    const stopped = plugin.close();
    expect(await host.ended).toEqual({ code: grpcCode.UNAVAILABLE, reason: 'DRAINING' });
    for (let call = 1; call <= 50; call++) expect(host.call(call).reason).toBe('DRAINING');
    await stopped;
    expect(running).toBe(0);
  });

  it('delivers what is answered already when the host reads it', async () => {
    host.say(begin(1, work.tick.path, ask('3 60000')));
    await host.until(() => host.call(1).messages.length === 2);
    await aWhile();
    const stopped = plugin.close();
    host.say(credit(1, 1_000_000));
    expect((await host.ended).reason).toBe('DRAINING');
    expect(host.call(1).messages).toHaveLength(3);
    expect(host.call(1).end?.code).toBe(0);
    await stopped;
  });

  it('does not wait for a host that does not read', async () => {
    host.say(begin(1, work.tick.path, ask('3 60000')));
    await host.until(() => host.call(1).messages.length === 2);
    await plugin.close();
    expect((await host.ended).reason).toBe('DRAINING');
    expect(host.call(1).end).toBeUndefined();
  });

  it('by Shutdown over the carrier is answered first', async () => {
    host.say(begin(1, lifecycle.shutdown.path, lifecycle.shutdown.request.encode({ graceMs: 1000 })));
    expect((await host.end(1)).end?.code).toBe(0);
    expect((await host.ended).reason).toBe('DRAINING');
  });
});

describe('the host', () => {
  it.each<[string, () => void]>([
    ['that cancels the carrier', () => host.stream.cancel()],
    ['that closes it', () => host.stream.end()],
    ['that begins a number twice', () => host.say(begin(1, work.tell.path, ask('ok')))],
    ['that speaks garbage', () => host.stream.write(Buffer.from('garbage'))],
    ['that sends half a message', () => host.stream.write(Buffer.from([0x0a, 0x7f, 0x08]))],
    ['that sends far too much', () => host.stream.write(Buffer.alloc(32 * 1024 * 1024))],
  ])('%s frees all its work', async (_, leave) => {
    for (let call = 1; call <= 20; call++) host.say(begin(call, work.tick.path, ask('1 1 wait')));
    await come(() => running === 20);
    leave();
    await come(() => running === 0);
    expect(await drained()).toEqual([0]);
    expect(plugin.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it.each<[string, () => void, number, string]>([
    ['closes', () => host.stream.end(), 0, ''],
    [
      'garbage',
      () => host.stream.write(Buffer.from('garbage')),
      grpcCode.INVALID_ARGUMENT,
      'INVALID_REQUEST',
    ],
    [
      'a number twice',
      () => host.say(begin(1, work.tell.path, ask('ok'))),
      grpcCode.INVALID_ARGUMENT,
      'INVALID_REQUEST',
    ],
  ])('hears how the carrier ended: %s', async (_, leave, code, reason) => {
    host.say(begin(1, work.tell.path, ask('wait')));
    await come(() => running === 1);
    leave();
    expect(await host.ended).toEqual({ code, reason });
    expect(host.call(1).end?.code).toBe(grpcCode.CANCELLED);
  });

  it('may use kinds of steps that the plugin does not know', async () => {
    // Field 15 of a step, and a step of no kind.
    host.stream.write(Buffer.from([0x0a, 0x04, 0x08, 0x01, 0x78, 0x01, 0x0a, 0x02, 0x08, 0x01]));
    host.say(begin(1, work.tell.path, ask('ok')));
    expect((await host.end(1)).end?.code).toBe(0);
  });

  it('that begins too much is refused call by call', async () => {
    for (let from = 0; from < 8192; from += 256) {
      host.say(...Array.from({ length: 256 }, (_, at) => begin(from + at + 1, work.tell.path, ask('wait'))));
    }
    host.say(begin(9000, work.tell.path, ask('ok')));
    expect((await host.end(9000)).reason).toBe('QUEUE_FULL');
    host.say(cancel(1));
    await host.end(1);
    host.say(begin(1, work.tell.path, ask('ok')));
    expect((await host.end(1)).end?.code).toBe(0);
  });
});

it('is not served by a plugin that takes small requests only', async () => {
  host.close();
  await plugin.close();
  await start({ maxReceiveBytes: 256 * 1024 });
  expect((await host.ended).code).toBe(grpcCode.UNIMPLEMENTED);
  expect(MultiplexDefinition.fullName).toBe('outrigger.plugin.v1.Multiplex');
});
