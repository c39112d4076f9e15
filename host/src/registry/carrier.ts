import { MultiplexDefinition, grpcCode, methodsOf, type CallAnswer, type CallStep } from '@outrigger/proto';
import { Roster } from '../roster.js';
import { CarriedCall, type CallCarrier } from './carried-call.js';
import {
  lostCall,
  unsentCall,
  type CallSink,
  type CallStatus,
  type PluginTransport,
  type TransportCall,
} from './transport.js';

const { carry } = methodsOf(MultiplexDefinition);

/** Most bytes in one message of the stream. */
const fullBytes = 256 * 1024;
/** Most calls that the plugin has not ended, given up ones included. */
const mostCalls = 8192;

/**
 * One stream to a plugin and the calls on it. What is to be said in the same turn
 * leaves in one message, and what gathers while that is on its way in the next.
 */
export class Carrier implements CallCarrier, CallSink {
  /** False when it has ended: calls go another way. */
  open = true;
  /** Until the plugin has ended them; a call's number is its place, counted from one. */
  private readonly calls = new Roster<CarriedCall>();
  /** Those whose end has not been heard here. */
  private readonly live = new Roster<CarriedCall>();
  private steps: CallStep[] = [];
  private scheduled = false;
  private sending = false;
  private readonly stream: TransportCall;

  constructor(
    transport: PluginTransport,
    readonly maxMessageBytes: number,
    /** Called when it has ended, after its calls. */
    private readonly onEnd: (status: CallStatus) => void,
  ) {
    this.stream = transport.call(carry.path, undefined, this);
    this.stream.read();
  }

  /** Ends every call; false when there was none. */
  cut(status: CallStatus): boolean {
    const calls = this.live.members();
    for (const call of calls) call.giveUp(status);
    return calls.length > 0;
  }

  /** A new call; undefined when no more can be taken. */
  call(sink: CallSink): CarriedCall | undefined {
    if (!this.open || this.calls.size >= mostCalls) return undefined;
    const call = new CarriedCall(this, sink);
    call.id = this.calls.add(call) + 1;
    call.place = this.live.add(call);
    return call;
  }

  over(call: CarriedCall): void {
    this.live.remove(call.place);
  }

  step(step: CallStep): void {
    if (!this.open) return;
    this.steps.push(step);
    if (this.scheduled || this.sending) return;
    this.scheduled = true;
    // A call that is alone waits for no others.
    if (this.calls.size > 1) setImmediate(this.flush);
    else process.nextTick(this.flush);
  }

  message(bytes: Buffer): void {
    let answers: CallAnswer[];
    try {
      ({ answers } = carry.response.decode(bytes));
    } catch {
      this.lose({
        code: grpcCode.INTERNAL,
        message: 'the plugin answered with bytes that cannot be read',
        details: undefined,
      });
      this.stream.cancel();
      return;
    }
    for (const answer of answers) {
      const call = this.calls.get(answer.call - 1);
      if (call === undefined) continue;
      call.take(answer);
      // A number is free when the plugin has ended the call, not when the host has given
      // it up, and when nothing more can be said under it.
      if (answer.end !== undefined) this.calls.remove(answer.call - 1);
    }
    if (this.open) this.stream.read();
  }

  end(status: CallStatus): void {
    this.lose(status.code === grpcCode.OK ? lostCall('the plugin closed the stream of the call') : status);
  }

  private lose(status: CallStatus): void {
    if (!this.open) return;
    this.open = false;
    const unsent = new Set(this.steps.filter(({ step }) => step?.$case === 'begin').map(({ call }) => call));
    this.steps = [];
    for (const call of this.calls.members()) call.lose(unsent.has(call.id) ? unsentCall : status);
    this.onEnd(status);
  }

  private readonly flush = (): void => {
    this.scheduled = false;
    if (!this.open || this.sending || this.steps.length === 0) return;
    let bytes = 0;
    let count = 0;
    for (const step of this.steps) {
      bytes += weightOf(step);
      if (count > 0 && bytes > fullBytes) break;
      count += 1;
    }
    const steps = this.steps.splice(0, count);
    this.sending = true;
    this.stream.send(carry.request.encode({ steps }), this.sent);
  };

  private readonly sent = (): void => {
    this.sending = false;
    this.flush();
  };
}

/** About what a step takes of the stream. */
function weightOf({ step }: CallStep): number {
  return step?.$case === 'begin' ? 32 + step.value.method.length + step.value.request.length : 16;
}
