import { expect, it } from '@jest/globals';
import { InferenceDefinition, grpcCode, methodsOf } from '@outrigger/proto';
import fc from 'fast-check';
import { MultiplexTransport } from './multiplex-transport.js';
import { KeptSink, ScriptedTransport } from './testing/scripted-transport.js';
import type { CallStatus, TransportCall } from './transport.js';

// A host against a plugin that keeps the contract: whatever happens in whatever
// order, every call hears one end, last; messages come in order and complete
// unless the end says otherwise; and no step ever meets another call.

const { generate } = methodsOf(InferenceDefinition);
const lost: CallStatus = { code: grpcCode.UNAVAILABLE, message: 'lost', details: undefined };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** A call, as the plugin and as the host know it. */
interface Played {
  readonly sink: KeptSink;
  readonly call: TransportCall;
  /** Messages that the plugin has sent whole. */
  readonly sent: string[];
  /** Bytes of a message that goes on. */
  begun: string;
  credit: number;
  granted: number;
  cancelled: boolean;
  ended: number | undefined;
  told: boolean;
}

class Play {
  readonly wire = new ScriptedTransport();
  readonly transport = new MultiplexTransport(this.wire, 1024 * 1024);
  readonly all: Played[] = [];
  /** By number, those that the plugin has not ended. */
  readonly open = new Map<number, Played>();
  isLost = false;
  private seen = 0;
  private made = 0;

  constructor() {
    this.transport.multiplex();
  }

  invoke(greedy: boolean): void {
    if (this.isLost) return;
    const sink = new KeptSink();
    const call = this.transport.invoke(generate.path, Buffer.from(String(this.all.length)), undefined, sink);
    if (greedy) {
      sink.onMessage = () => call.read();
      call.read();
    }
    const made = { sink, call, sent: [], begun: '', credit: 65_536, granted: 0 };
    this.all.push({ ...made, cancelled: false, ended: undefined, told: false });
  }

  /** The plugin hears what was said, and holds it against the contract. */
  listen(): void {
    const { steps } = this.wire;
    for (const { call, step } of steps.slice(this.seen)) {
      const known = this.open.get(call);
      switch (step?.$case) {
        case 'begin': {
          expect(known).toBeUndefined();
          const played = this.all[Number(step.value.request.toString())];
          if (played === undefined) throw new Error('a request that nobody made');
          expect(played.told).toBe(false);
          played.told = true;
          this.open.set(call, played);
          break;
        }
        case 'credit':
          if (known === undefined) break;
          known.credit += step.value;
          known.granted += step.value;
          expect(known.granted).toBeLessThanOrEqual(taken(known.sink.messages.map(String)));
          break;
        case 'cancel':
          if (known !== undefined) expect(known.cancelled).toBe(true);
          break;
        default:
          throw new Error('a step of no kind');
      }
    }
    this.seen = steps.length;
  }

  /** A message, or with `more` a piece of one. */
  send(index: number, length: number, more: boolean): void {
    const [number, played] = this.pick(index);
    if (played === undefined || (played.begun === '' && played.credit <= 0)) return;
    const part = `${(this.made += 1)}`.padEnd(length + 1, '.');
    played.begun += part;
    if (!more) {
      played.sent.push(played.begun);
      played.credit -= taken([played.begun]);
      played.begun = '';
    }
    this.wire.answer({ call: number, message: Buffer.from(part), more });
  }

  /** The call ends, with its last message in the same answer when there is one. */
  end(index: number, code: number, last: boolean): void {
    const [number, played] = this.pick(index);
    if (played === undefined) return;
    if (last && (played.begun !== '' || played.credit > 0)) played.sent.push(`${played.begun}last`);
    const message = last && played.sent.at(-1)?.endsWith('last') === true ? Buffer.from('last') : undefined;
    const isCut = message === undefined && played.begun !== '';
    played.ended = code === 0 && isCut ? grpcCode.INTERNAL : code;
    this.open.delete(number);
    const end = { code, message: '', details: Buffer.alloc(0) };
    this.wire.answer({ call: number, ...(message === undefined ? {} : { message }), end });
  }

  cancel(index: number): void {
    const played = this.at(index);
    if (played === undefined) return;
    if (played.sink.ends.length === 0) played.cancelled = true;
    played.call.cancel();
  }

  lose(): void {
    this.isLost = true;
    this.open.clear();
    this.wire.lose(lost);
  }

  at(index: number): Played | undefined {
    return this.all[index % Math.max(1, this.all.length)];
  }

  private pick(index: number): [number, Played | undefined] {
    this.listen();
    const open = [...this.open];
    return this.isLost ? [0, undefined] : (open[index % Math.max(1, open.length)] ?? [0, undefined]);
  }
}

function taken(messages: readonly string[]): number {
  return messages.reduce((sum, { length }) => sum + length + 32, 0);
}

const index = fc.nat(30);
const length = fc.oneof(fc.nat(10), fc.nat(40_000), fc.nat(70_000));
type Act = (play: Play) => void | Promise<void>;
const act = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.boolean().map(
      (greedy): Act =>
        (play) =>
          play.invoke(greedy),
    ),
  },
  {
    weight: 5,
    arbitrary: index.map(
      (at): Act =>
        (play) =>
          play.at(at)?.call.read(),
    ),
  },
  {
    weight: 3,
    arbitrary: index.map(
      (at): Act =>
        (play) =>
          play.cancel(at),
    ),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(index, length, fc.constantFrom(false, false, true)).map(
      ([at, size, more]): Act =>
        (play) =>
          play.send(at, size, more),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(index, fc.constantFrom(0, 0, 5), fc.boolean()).map(
      ([at, code, last]): Act =>
        (play) =>
          play.end(at, code, last),
    ),
  },
  { weight: 5, arbitrary: fc.constant<Act>(() => turn()) },
  { weight: 1, arbitrary: fc.constant<Act>((play) => void (play.wire.stuck = true)) },
  { weight: 2, arbitrary: fc.constant<Act>((play) => play.wire.loosen()) },
  { weight: 1, arbitrary: fc.constant<Act>((play) => play.lose()) },
);

it('holds in every order of what may happen', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 120 }), fc.boolean(), async (acts, losing) => {
      const play = new Play();
      for (const one of acts) await one(play);
      play.wire.loosen();
      await turn();
      play.listen();
      if (losing || play.isLost) play.lose();
      else while (play.open.size > 0) play.end(0, 0, false);
      for (const { call, sink } of play.all) {
        for (let times = 0; times < 200 && sink.ends.length === 0; times++) call.read();
      }
      await turn();
      play.listen();
      for (const { sink, sent, cancelled, ended } of play.all) {
        expect(sink.ends).toHaveLength(1);
        expect(sink.messages.map(String)).toEqual(sent.slice(0, sink.messages.length));
        if (sink.code === 0) {
          expect(ended).toBe(0);
          expect(sink.messages).toHaveLength(sent.length);
        } else if (!cancelled && ended !== undefined) expect(sink.code).toBe(ended);
        else expect(sink.code).toBe(cancelled ? grpcCode.CANCELLED : grpcCode.UNAVAILABLE);
      }
    }),
    { numRuns: 400 },
  );
});
