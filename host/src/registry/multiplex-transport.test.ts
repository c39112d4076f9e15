import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { InferenceDefinition, ModelsDefinition, grpcCode, methodsOf } from '@outrigger/proto';
import { MultiplexTransport } from './multiplex-transport.js';
import { pluginFailure } from './plugin-failure.js';
import { KeptSink, ScriptedTransport } from './testing/scripted-transport.js';
import { drainedCall, type TransportCall } from './transport.js';

const { generate } = methodsOf(InferenceDefinition);
const { listModels } = methodsOf(ModelsDefinition);
const largestMessage = 1024 * 1024;
const firstCredit = 65_536;
const ok = { code: 0, message: '', details: Buffer.alloc(0) };

let wire: ScriptedTransport;
let transport: MultiplexTransport;
beforeEach(() => {
  wire = new ScriptedTransport();
  transport = new MultiplexTransport(wire, largestMessage);
  transport.multiplex();
});

/** What is to be said in a turn has been said. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function invoke(sink = new KeptSink(), deadline?: number): { sink: KeptSink; call: TransportCall } {
  return { sink, call: transport.invoke(generate.path, Buffer.from('request'), deadline, sink) };
}

/** A call that has begun and reads all that comes. */
async function reading(): Promise<{ sink: KeptSink; call: TransportCall }> {
  const { sink, call } = invoke();
  sink.onMessage = () => call.read();
  call.read();
  await turn();
  return { sink, call };
}

describe('what is carried', () => {
  it('is Inference in small requests, once the plugin is known to serve Multiplex', async () => {
    const before = new ScriptedTransport();
    new MultiplexTransport(before, largestMessage).invoke(
      generate.path,
      Buffer.alloc(1),
      undefined,
      new KeptSink(),
    );
    expect(before.plain).toEqual([generate.path]);
    transport.invoke(generate.path, Buffer.alloc(64 * 1024 + 1), undefined, new KeptSink());
    transport.invoke(listModels.path, Buffer.alloc(1), undefined, new KeptSink());
    transport.call(generate.path, undefined, new KeptSink());
    expect(wire.plain).toEqual([generate.path, listModels.path, generate.path]);
    invoke();
    await turn();
    expect(wire.steps).toEqual([
      {
        call: 1,
        step: {
          $case: 'begin',
          value: { method: generate.path, request: Buffer.from('request'), timeoutMs: 0 },
        },
      },
    ]);
  });

  it('leaves together, and what gathers meanwhile in the next message', async () => {
    wire.stuck = true;
    invoke();
    const { call } = invoke();
    await turn();
    expect(wire.heard.map((steps) => steps.length)).toEqual([2]);
    call.cancel();
    invoke();
    await turn();
    expect(wire.heard).toHaveLength(1);
    wire.loosen();
    expect(wire.heard.map((steps) => steps.length)).toEqual([2, 2]);
  });

  it('leaves at once for a call that is alone, and at the end of the turn beside others', async () => {
    const tick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
    invoke();
    await tick();
    expect(wire.heard.map((steps) => steps.length)).toEqual([1]);
    invoke();
    await tick();
    invoke();
    await tick();
    expect(wire.heard).toHaveLength(1);
    await turn();
    expect(wire.heard.map((steps) => steps.length)).toEqual([1, 2]);
  });

  it('leaves in messages that a plugin takes', async () => {
    wire.stuck = true;
    invoke();
    await turn();
    for (let count = 0; count < 20; count++) {
      transport.invoke(generate.path, Buffer.alloc(60_000), undefined, new KeptSink());
    }
    for (let count = 0; count < 7000; count++) {
      transport.invoke(generate.path, Buffer.alloc(10), undefined, new KeptSink());
    }
    wire.loosen();
    await turn();
    while (wire.begun.length < 7021) await turn();
    const sizes = wire.heard.map((steps) =>
      steps.reduce(
        (sum, { step }) => sum + (step?.$case === 'begin' ? step.value.request.length + 50 : 10),
        0,
      ),
    );
    expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
  });
});

describe('messages', () => {
  it('wait for their reader, each for one read, and the end comes last', async () => {
    const { sink, call } = invoke();
    await turn();
    wire.answer({ message: Buffer.from('a') }, { message: Buffer.from('b') }, { end: ok });
    expect(sink.messages).toEqual([]);
    call.read();
    expect(sink.messages.map(String)).toEqual(['a']);
    expect(sink.ends).toEqual([]);
    call.read();
    expect(sink.messages.map(String)).toEqual(['a', 'b']);
    expect(sink.ends).toEqual([{ code: 0, message: '', details: undefined }]);
  });

  it('reach a reader that reads within `message` one after the other', async () => {
    const { sink, call } = invoke();
    await turn();
    let within = 0;
    sink.onMessage = () => {
      expect((within += 1)).toBe(1);
      call.read();
      within -= 1;
    };
    wire.answer({ message: Buffer.from('a') }, { message: Buffer.from('b') }, { end: ok });
    call.read();
    expect(sink.messages).toHaveLength(2);
    expect(sink.code).toBe(0);
  });

  it('are joined from their pieces', async () => {
    const { sink } = await reading();
    wire.answer({ message: Buffer.from('a'), more: true });
    wire.answer({ message: Buffer.from('b'), more: true }, { message: Buffer.from('c') });
    expect(sink.messages.map(String)).toEqual(['abc']);
  });

  it('that are too large end the call, and no other', async () => {
    const { sink } = await reading();
    const other = await reading();
    const piece = { message: Buffer.alloc(400_000), more: true };
    wire.answer(piece, piece, piece, piece);
    wire.answer(piece, { call: 2, message: Buffer.from('b') }, { call: 2, end: ok });
    await turn();
    expect(sink.ends).toMatchObject([{ code: grpcCode.RESOURCE_EXHAUSTED }]);
    expect(wire.given).toEqual([1]);
    expect(other.sink.code).toBe(0);
  });

  it('in countless pieces end the call', async () => {
    const { sink } = await reading();
    for (let count = 0; count < 1100; count++) wire.answer({ message: Buffer.alloc(0), more: true });
    await turn();
    expect(sink.code).toBe(grpcCode.RESOURCE_EXHAUSTED);
  });

  it('must be whole when the call ends well', async () => {
    const [well, badly] = [await reading(), await reading()];
    wire.answer({ message: Buffer.from('a'), more: true }, { end: ok });
    wire.answer({ call: 2, message: Buffer.from('a'), more: true }, { call: 2, end: { ...ok, code: 14 } });
    expect([well.sink.code, badly.sink.code]).toEqual([grpcCode.INTERNAL, grpcCode.UNAVAILABLE]);
  });

  it('that wait do not hold on to what they came in', async () => {
    const { sink, call } = invoke();
    await turn();
    wire.answer({ message: Buffer.from('a') }, { call: 77, message: Buffer.alloc(200_000) });
    call.read();
    expect(sink.messages[0]?.buffer.byteLength).toBeLessThan(100_000);
  });
});

describe('credit', () => {
  it('is granted again as it is read, and not after the end', async () => {
    const { call } = invoke();
    await turn();
    const message = Buffer.alloc(10_000);
    wire.answer({ message }, { message }, { message }, { message });
    call.read();
    call.read();
    call.read();
    await turn();
    expect(wire.granted(1)).toEqual([]);
    call.read();
    await turn();
    expect(wire.granted(1)).toEqual([4 * 10_032]);
    wire.answer({ message }, { message }, { message }, { message }, { end: ok });
    for (let times = 0; times < 4; times++) call.read();
    await turn();
    expect(wire.granted(1)).toHaveLength(1);
  });

  it('that is not kept ends the call, and no other', async () => {
    const { sink } = invoke();
    const other = await reading();
    const message = Buffer.alloc(firstCredit - 33);
    wire.answer({ message }, { message });
    await turn();
    expect(sink.ends).toEqual([]);
    wire.answer({ message: Buffer.alloc(0) }, { call: 2, end: ok });
    await turn();
    expect(sink.ends).toMatchObject([{ code: grpcCode.INTERNAL, message: /granted/ }]);
    expect(wire.given).toEqual([1]);
    expect(other.sink.code).toBe(0);
  });

  it('bounds empty messages too', async () => {
    const { sink } = invoke();
    await turn();
    for (let count = 0; count <= firstCredit / 32; count++) wire.answer({ message: Buffer.alloc(0) });
    await turn();
    expect(sink.code).toBe(grpcCode.INTERNAL);
  });
});

describe('cancel', () => {
  it('ends the call here at once; its number waits for the plugin', async () => {
    const { sink, call } = await reading();
    call.cancel();
    expect(sink.ends).toEqual([]);
    await Promise.resolve();
    expect(sink.ends).toMatchObject([{ code: grpcCode.CANCELLED }]);
    call.cancel();
    wire.answer({ message: Buffer.from('late') });
    invoke();
    await turn();
    expect(wire.begun).toEqual([1, 2]);
    wire.answer({ end: ok });
    invoke();
    await turn();
    expect(wire.begun).toEqual([1, 2, 1]);
    expect(wire.given).toEqual([1]);
    expect(sink.ends).toHaveLength(1);
  });

  it('before anything left still begins and cancels, in order', async () => {
    const { sink, call } = invoke();
    call.cancel();
    await turn();
    expect(wire.steps.map(({ step }) => step?.$case)).toEqual(['begin', 'cancel']);
    expect(sink.code).toBe(grpcCode.CANCELLED);
  });

  it('within `message` drops what follows', async () => {
    const { sink, call } = await reading();
    sink.onMessage = () => {
      call.read();
      call.cancel();
      expect(sink.ends).toEqual([]);
    };
    wire.answer({ message: Buffer.from('a') }, { message: Buffer.from('b') }, { end: ok });
    expect(sink.messages).toHaveLength(1);
    await turn();
    expect(sink.ends).toMatchObject([{ code: grpcCode.CANCELLED }]);
  });

  it('ends a call whose end waits behind what nobody reads', async () => {
    const { sink, call } = invoke();
    await turn();
    wire.answer({ message: Buffer.from('a') }, { end: ok });
    call.cancel();
    await turn();
    expect(sink.ends).toMatchObject([{ code: grpcCode.CANCELLED }]);
    // The number has another call by now, perhaps.
    expect(wire.given).toEqual([]);
  });
});

describe('a number', () => {
  it('has no other call while anything may be said under it', async () => {
    const { sink, call } = await reading();
    sink.onMessage = () => {
      invoke();
      call.cancel();
    };
    wire.answer({ message: Buffer.alloc(40_000), end: ok });
    await turn();
    // Neither the credit nor the cancellation of the first meets the second.
    expect(wire.begun).toEqual([1, 2]);
    expect(wire.granted(2)).toEqual([]);
    expect(wire.given).toEqual([1]);
  });

  it('that no call has is ignored, and so is what follows an end', async () => {
    const { sink } = await reading();
    wire.answer({ call: 99, message: Buffer.from('x') }, { call: 0, end: ok });
    wire.answer({ end: ok }, { end: ok }, { message: Buffer.from('y') });
    invoke();
    invoke();
    await turn();
    expect(sink.ends).toHaveLength(1);
    expect(wire.begun).toEqual([1, 1, 2]);
  });

  it('is given to so many calls only; others are calls of their own', async () => {
    for (let count = 0; count < 8192; count++) invoke().call.cancel();
    await turn();
    expect(wire.plain).toEqual([]);
    invoke();
    expect(wire.plain).toEqual([generate.path]);
    wire.answer({ call: 5, end: ok });
    invoke();
    expect(wire.plain).toHaveLength(1);
  });
});

describe('a deadline', () => {
  it('that has passed ends the call', async () => {
    const { sink } = invoke(new KeptSink(), Date.now() - 1000);
    const ended = new Promise<void>((resolve) => (sink.onEnd = resolve));
    await ended;
    await turn();
    expect(sink.ends).toMatchObject([{ code: grpcCode.DEADLINE_EXCEEDED }]);
    expect(wire.steps[0]?.step).toMatchObject({ value: { timeoutMs: 1 } });
    expect(wire.given).toEqual([1]);
  });

  it('that is too far away to be measured is none', async () => {
    const { sink, call } = invoke(new KeptSink(), Date.now() + 2 ** 31 + 60_000);
    await turn();
    // Node runs a timer that is too long after one millisecond, before this later one.
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(wire.steps[0]?.step).toMatchObject({ value: { timeoutMs: 0 } });
    expect(sink.ends).toEqual([]);
    call.cancel();
  });
});

describe('a carrier that is lost', () => {
  const lost = { code: grpcCode.UNAVAILABLE, message: 'Connection dropped', details: undefined };

  it('takes its calls along; those that had not left may be made again', async () => {
    const [gone, givenUp] = [await reading(), await reading()];
    givenUp.call.cancel();
    wire.stuck = true;
    await turn();
    const unsent = invoke();
    wire.lose(lost);
    wire.lose(lost);
    await turn();
    expect(gone.sink.ends).toEqual([lost]);
    expect(givenUp.sink.ends).toMatchObject([{ code: grpcCode.CANCELLED }]);
    expect(unsent.sink.ends).toHaveLength(1);
    const failures = [gone, unsent].map(
      ({ sink }) => pluginFailure(sink.ends[0] ?? lost, 'subject').notStarted,
    );
    expect(failures).toEqual([false, true]);
    wire.loosen();
    invoke();
    expect(wire.plain).toEqual([generate.path]);
  });

  it('does not change why a call was given up', async () => {
    const { sink, call } = await reading();
    call.cancel();
    wire.lose(lost);
    await turn();
    expect(sink.ends).toMatchObject([{ code: grpcCode.CANCELLED }]);
  });

  it('without an error is an error to its calls', async () => {
    const { sink } = await reading();
    wire.lose({ code: 0, message: '', details: undefined });
    expect(sink.code).toBe(grpcCode.UNAVAILABLE);
  });

  it('does not take what has ended already', async () => {
    const { sink, call } = invoke();
    await turn();
    wire.answer({ message: Buffer.from('a') }, { end: ok });
    wire.lose(lost);
    call.read();
    expect(sink.messages.map(String)).toEqual(['a']);
    expect(sink.code).toBe(0);
  });

  it('by bytes that cannot be read is given up', async () => {
    const [one, two] = [await reading(), invoke()];
    wire.say(Buffer.from('garbage'));
    expect([one.sink.code, two.sink.code]).toEqual([grpcCode.INTERNAL, grpcCode.UNAVAILABLE]);
    expect(wire.cancelled).toBe(true);
  });
});

describe('a carrier that broke while the connection stands', () => {
  const reset = { code: grpcCode.INTERNAL, message: 'Received RST_STREAM', details: undefined };
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    transport.close();
    jest.useRealTimers();
  });

  it('is opened again, and carries again; meanwhile calls are calls of their own', async () => {
    wire.lose(reset);
    transport.multiplex();
    invoke();
    expect([wire.opened, wire.plain.length]).toEqual([1, 1]);
    jest.advanceTimersByTime(1000);
    expect(wire.opened).toBe(2);
    const { sink } = await reading();
    wire.answer({ message: Buffer.from('a') }, { end: ok });
    expect(sink.messages.map(String)).toEqual(['a']);
    expect(sink.code).toBe(0);
    expect(wire.plain).toHaveLength(1);
  });

  it('again and again is left alone for longer and longer, and then for good', () => {
    const waits: number[] = [];
    for (let round = 0; round < 10; round++) {
      const { opened } = wire;
      wire.lose(reset);
      let waited = 0;
      for (; wire.opened === opened && waited < 100; waited += 1) jest.advanceTimersByTime(1000);
      waits.push(waited);
    }
    // The last ones in vain.
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 100, 100]);
    invoke();
    expect(wire.plain).toHaveLength(1);
  });

  it('is opened again as before once one was steady', () => {
    for (const seconds of [1, 2, 4]) {
      wire.lose(reset);
      jest.advanceTimersByTime(seconds * 1000);
    }
    expect(wire.opened).toBe(4);
    jest.advanceTimersByTime(60_000);
    wire.lose(reset);
    jest.advanceTimersByTime(1000);
    expect(wire.opened).toBe(5);
  });

  it.each([
    ['the plugin stops', drainedCall('it stops')],
    ['the plugin does not serve it', { code: grpcCode.UNIMPLEMENTED, message: '', details: undefined }],
  ])('is not opened again when %s', (_when, status) => {
    wire.lose(status);
    jest.advanceTimersByTime(600_000);
    expect(wire.opened).toBe(1);
  });

  it('is not opened without a connection, and never after the instance went', () => {
    wire.lose(reset);
    wire.stands = false;
    jest.advanceTimersByTime(1000);
    expect(wire.opened).toBe(1);
    wire.stands = true;
    jest.advanceTimersByTime(2000);
    expect(wire.opened).toBe(2);
    wire.lose(reset);
    transport.close();
    jest.advanceTimersByTime(600_000);
    expect(wire.opened).toBe(2);
    wire.lose(reset);
    transport.multiplex();
    expect([wire.opened, jest.getTimerCount()]).toEqual([2, 0]);
  });
});

it('cut ends every call as a plugin does that drains', async () => {
  const [running, unread] = [await reading(), invoke()];
  await turn();
  wire.answer({ call: 2, message: Buffer.from('a') }, { call: 2, end: ok });
  expect(transport.cut('its time is over')).toBe(true);
  await turn();
  for (const { sink } of [running, unread]) {
    expect(sink.ends).toHaveLength(1);
    expect(pluginFailure(sink.ends[0] ?? ok, 'subject')).toMatchObject({
      message: 'its time is over',
      notStarted: true,
    });
  }
  expect(transport.cut('again')).toBe(false);
});
