import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  FinishReason,
  GenerateRequest,
  GenerateResponse,
  grpcCode,
  type GenerateEvent,
} from '@outrigger/proto';
import type { GatewayError } from '../errors/gateway-error.js';
import { PluginInstance } from '../registry/instance.js';
import type { CallSink, CallStatus, PluginTransport } from '../registry/transport.js';
import { ActiveGeneration, type GenerationEnd, type GenerationPort } from './generation.js';

const text = (value: string): GenerateEvent => ({
  event: { $case: 'delta', value: { candidate: 0, part: 0, kind: { $case: 'text', value }, logprobs: [] } },
});
const finish: GenerateEvent = {
  event: {
    $case: 'finish',
    value: { candidate: 0, reason: FinishReason.FINISH_REASON_STOP, raw: 'stop', detail: '' },
  },
};
const end: GenerateEvent = { event: { $case: 'end', value: {} } };
const ok: CallStatus = { code: grpcCode.OK, message: '', details: undefined };

/** A transport whose calls the test drives by hand. */
class Wire implements PluginTransport {
  sink!: CallSink;
  reads = 0;
  cancelled = 0;
  calls = 0;
  call(_path: string, _deadline: number | undefined, sink: CallSink) {
    this.sink = sink;
    this.calls += 1;
    return {
      send: () => undefined,
      halfClose: () => undefined,
      read: () => {
        this.reads += 1;
      },
      cancel: () => {
        this.cancelled += 1;
      },
    };
  }
  invoke(path: string, _request: Buffer, deadline: number | undefined, sink: CallSink) {
    return this.call(path, deadline, sink);
  }
  multiplex = () => undefined;
  connect = () => Promise.resolve();
  connected = () => true;
  cut = () => false;
  close = () => undefined;
  frame(seq: number, ...events: GenerateEvent[]): void {
    this.sink.message(Buffer.from(GenerateResponse.encode({ seq, events }).finish()));
  }
}

function instanceOn(wire: Wire): PluginInstance {
  const instance = new PluginInstance('one', 'unix:/x', wire, () => undefined, 0);
  for (const event of ['connect', 'connected', 'negotiated', 'validated', 'warmed', 'commit'] as const)
    instance.apply(event);
  return instance;
}

describe('ActiveGeneration', () => {
  let wire: Wire;
  let instance: PluginInstance;
  let heard: unknown[];
  let ended: GenerationEnd[];
  let generation: ActiveGeneration;
  let again: jest.Mock<GenerationPort['again']>;
  const served = { model: 'one/m', plugin: 'one', pluginVersion: '1', instanceId: 'i', ignoredParams: [] };

  function begin(limits = { totalMs: 0, firstTokenMs: 0, idleMs: 0 }): void {
    const lease = instance.lease();
    if (lease === undefined) throw new Error('no lease');
    generation = new ActiveGeneration(lease, GenerateRequest.create(), served, {
      limits,
      now: () => 5,
      again,
      ended: (how) => ended.push(how),
    });
    generation.start();
    generation.attach({
      events: (events) => heard.push(events.map(({ event }) => event?.$case)),
      complete: () => heard.push('complete'),
      fail: (error: GatewayError) => heard.push(error.kind),
    });
  }

  beforeEach(() => {
    wire = new Wire();
    instance = instanceOn(wire);
    heard = [];
    ended = [];
    again = jest.fn(() => Promise.resolve(undefined));
  });

  it('is complete when the end event came in an unbroken stream', () => {
    begin();
    wire.frame(0, text('a'));
    wire.frame(1, text('b'), finish, end);
    wire.sink.end(ok);
    expect(heard).toEqual([['delta'], ['delta', 'finish'], 'complete']);
    expect(ended).toEqual([{ error: undefined, usage: undefined, pieces: 2, firstAt: 5 }]);
    expect(instance.inFlight).toBe(0);
  });

  it.each([
    ['no end event', () => wire.frame(0, text('a'), finish)],
    ['nothing at all', () => undefined],
  ])('is truncated when the status is OK with %s', (_what, play) => {
    begin();
    play();
    wire.sink.end(ok);
    expect(heard.at(-1)).toBe('truncated');
    expect(instance.inFlight).toBe(0);
  });

  it('is truncated when a frame is lost, repeated or unreadable', () => {
    for (const play of [
      () => wire.frame(1, text('b')),
      () => wire.sink.message(Buffer.from([0xff, 0xff, 0xff])),
    ]) {
      heard = [];
      begin();
      play();
      expect(heard).toEqual(['truncated']);
      expect(wire.cancelled).toBeGreaterThan(0);
      wire.sink.end({ code: grpcCode.CANCELLED, message: '', details: undefined });
      expect(heard).toEqual(['truncated']);
    }
    expect(instance.inFlight).toBe(0);
  });

  it('is truncated when events come after the end', () => {
    begin();
    wire.frame(0, end, text('late'));
    expect(heard).toEqual(['truncated']);
  });

  it('reads one frame at a time and none while paused', () => {
    begin();
    expect(wire.reads).toBe(1);
    generation.pause();
    wire.frame(0, text('a'));
    expect(wire.reads).toBe(1);
    generation.resume();
    expect(wire.reads).toBe(2);
  });

  it('tells the sink nothing after the caller cancelled, and counts what came', () => {
    begin();
    wire.frame(0, text('a'));
    generation.cancel();
    wire.sink.end({ code: grpcCode.CANCELLED, message: '', details: undefined });
    expect(heard).toEqual([['delta']]);
    expect(ended[0]?.error?.kind).toBe('cancelled');
    expect(ended[0]?.pieces).toBe(1);
    expect(ended).toHaveLength(1);
    expect(instance.inFlight).toBe(0);
  });

  it('begins again on another instance only when nothing was begun', async () => {
    const other = new Wire();
    const successor = instanceOn(other);
    const lease = successor.lease();
    if (lease === undefined) throw new Error('no lease');
    again = jest.fn(() =>
      Promise.resolve({ lease, request: GenerateRequest.create(), served: { ...served, instanceId: 'j' } }),
    );
    begin();
    wire.sink.end({ code: grpcCode.UNAVAILABLE, message: 'No connection established', details: undefined });
    await Promise.resolve();
    await Promise.resolve();
    other.frame(0, text('a'), finish, end);
    other.sink.end(ok);
    expect(heard).toEqual([['delta', 'finish'], 'complete']);
    expect(generation.served.instanceId).toBe('j');
    expect([instance.inFlight, successor.inFlight]).toEqual([0, 0]);
  });

  it('does not begin again after the first frame', () => {
    begin();
    wire.frame(0, text('a'));
    wire.sink.end({ code: grpcCode.UNAVAILABLE, message: 'No connection established', details: undefined });
    expect(again).not.toHaveBeenCalled();
    expect(heard).toEqual([['delta'], 'plugin_unavailable']);
  });

  describe('with limits', () => {
    beforeEach(() => {
      jest.useFakeTimers();
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    it('ends with first_token_timeout, idle_timeout or total_timeout', () => {
      begin({ totalMs: 0, firstTokenMs: 100, idleMs: 50 });
      jest.advanceTimersByTime(101);
      expect(heard).toEqual(['first_token_timeout']);
      heard = [];
      begin({ totalMs: 0, firstTokenMs: 100, idleMs: 50 });
      wire.frame(0, text('a'));
      jest.advanceTimersByTime(51);
      expect(heard).toEqual([['delta'], 'idle_timeout']);
      heard = [];
      begin({ totalMs: 70, firstTokenMs: 100, idleMs: 50 });
      jest.advanceTimersByTime(71);
      expect(heard).toEqual(['total_timeout']);
    });

    it('does not blame the plugin for a reader that does not read', () => {
      begin({ totalMs: 0, firstTokenMs: 100, idleMs: 50 });
      wire.frame(0, text('a'));
      generation.pause();
      jest.advanceTimersByTime(500);
      expect(heard).toEqual([['delta']]);
      generation.resume();
      jest.advanceTimersByTime(51);
      expect(heard.at(-1)).toBe('idle_timeout');
    });
  });
});
