import { MultiplexDefinition, methodsOf, type CallAnswer, type CallStep } from '@outrigger/proto';
import type { CallSink, CallStatus, PluginTransport, TransportCall } from '../transport.js';

const { carry } = methodsOf(MultiplexDefinition);

/** A wire whose other end is the test: it speaks the real messages of Multiplex. */
export class ScriptedTransport implements PluginTransport {
  /** Paths of the calls that were made as calls of their own. */
  readonly plain: string[] = [];
  /** Messages on the carrier, as steps. */
  readonly heard: CallStep[][] = [];
  /** While true a message is not on its way: `sent` is told when it ends. */
  stuck = false;
  cancelled = false;
  carrier: CallSink | undefined;
  /** Carriers that were opened. */
  opened = 0;
  /** Whether the connection stands. */
  stands = true;
  private reads = 0;
  private waiting: (() => void)[] = [];

  call(path: string, _deadline: number | undefined, sink: CallSink): TransportCall {
    if (path !== carry.path) {
      this.plain.push(path);
      return nothing;
    }
    this.carrier = sink;
    this.opened += 1;
    this.reads = 0;
    return {
      send: (message, sent) => {
        this.heard.push(carry.request.decode(message).steps);
        if (sent === undefined) return;
        if (this.stuck) this.waiting.push(sent);
        else process.nextTick(sent);
      },
      halfClose: () => undefined,
      read: () => {
        this.reads += 1;
      },
      cancel: () => {
        this.cancelled = true;
      },
    };
  }

  invoke(path: string): TransportCall {
    this.plain.push(path);
    return nothing;
  }

  /** All steps, one after the other. */
  get steps(): CallStep[] {
    return this.heard.flat();
  }

  /** Numbers of the calls that were begun. */
  get begun(): number[] {
    return this.of('begin');
  }

  /** Numbers of the calls that were given up. */
  get given(): number[] {
    return this.of('cancel');
  }

  /** What was granted to a call. */
  granted(call: number): number[] {
    return this.steps.flatMap(({ call: at, step }) =>
      at === call && step?.$case === 'credit' ? [step.value] : [],
    );
  }

  /** The plugin answers, when it was asked to. */
  answer(...answers: Partial<CallAnswer>[]): void {
    this.say(
      carry.response.encode({ answers: answers.map((answer) => ({ call: 1, more: false, ...answer })) }),
    );
  }

  /** The plugin says any bytes. */
  say(bytes: Buffer): void {
    if (this.reads === 0) throw new Error('the carrier was not read');
    this.reads -= 1;
    this.carrier?.message(bytes);
  }

  /** The carrier ends. */
  lose(status: CallStatus): void {
    this.carrier?.end(status);
  }

  /** What was stuck is on its way. */
  loosen(): void {
    this.stuck = false;
    for (const sent of this.waiting.splice(0)) sent();
  }

  multiplex(): void {
    // It is what a carrier runs on.
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  connected(): boolean {
    return this.stands;
  }

  cut(): boolean {
    return false;
  }

  close(): void {
    // There is nothing to close.
  }

  private of(kind: 'begin' | 'cancel'): number[] {
    return this.steps.flatMap(({ call, step }) => (step?.$case === kind ? [call] : []));
  }
}

const nothing: TransportCall = {
  send: () => undefined,
  halfClose: () => undefined,
  read: () => undefined,
  cancel: () => undefined,
};

/** A sink that keeps what it hears. */
export class KeptSink implements CallSink {
  readonly messages: Buffer[] = [];
  readonly ends: CallStatus[] = [];
  /** Runs within `message`. */
  onMessage: () => void = () => undefined;
  /** Runs within `end`. */
  onEnd: () => void = () => undefined;

  get code(): number | undefined {
    return this.ends[0]?.code;
  }

  message(bytes: Buffer): void {
    if (this.ends.length > 0) throw new Error('a message after the end');
    this.messages.push(bytes);
    this.onMessage();
  }

  end(status: CallStatus): void {
    this.ends.push(status);
    this.onEnd();
  }
}
