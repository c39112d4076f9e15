import type { ServerDuplexStream } from '@grpc/grpc-js';
import { MultiplexDefinition, methodsOf, type CallAnswer, type CallStep } from '@outrigger/proto';
import { AnswerQueue } from './answer-queue.js';
import type { Handler } from './caller.js';
import { CarriedCaller, type CallCarrier } from './carried-caller.js';
import { StreamCaller } from './grpc-caller.js';
import type { PluginInstance } from './instance.js';
import { Departure, OpenCall } from './open-call.js';
import { statusFor, statusOf, type GrpcStatus } from './status.js';

/** Most calls under way on one carrier. */
const mostCalls = 8192;
/** While more bytes than this wait to leave, handlers are held back. */
const cloggedBytes = 1024 * 1024;
/** How long the last answers may take to leave when the carrier ends, in milliseconds. */
const partingMs = 250;

const { carry } = methodsOf(MultiplexDefinition);

/** One stream and the calls on it. Answers that are ready in the same turn leave together. */
export class Carrier implements CallCarrier {
  readonly #calls = new Map<number, CarriedCaller>();
  readonly #open: OpenCall;
  readonly #queue = new AnswerQueue();
  #scheduled = false;
  #writing = false;
  readonly #heldBack = new Set<CarriedCaller>();
  #parting: GrpcStatus | undefined;
  #over = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: ServerDuplexStream<Buffer, Buffer>,
    private readonly handlers: ReadonlyMap<string, Handler>,
    instance: PluginInstance,
  ) {
    this.#open = new OpenCall(new StreamCaller(stream), instance.work, instance.log, false, '');
    this.#open.onAbort((reason) => {
      this.#part(statusOf(reason, this.#open), reason instanceof Departure ? 'cut' : 'deliver');
    });
    stream.on('data', (bytes: Buffer) => this.#take(bytes));
    stream.on('end', () =>
      this.#part({ ...statusFor('CANCELLED', 'the host closed the carrier'), code: 0 }, 'cut'),
    );
    stream.on('close', () => this.#close());
  }

  send(answer: CallAnswer): void {
    if (this.#over) return;
    this.#queue.push(answer);
    this.#schedule();
  }

  sendInPieces(caller: CarriedCaller): void {
    if (this.#over) return;
    this.#queue.pushInPieces(caller);
    this.#schedule();
  }

  isClogged(caller: CarriedCaller): boolean {
    if (this.#queue.bytes < cloggedBytes || this.#over) return false;
    this.#heldBack.add(caller);
    return true;
  }

  ended(call: number): void {
    this.#calls.delete(call);
  }

  #take(bytes: Buffer): void {
    if (this.#over) return;
    let steps: CallStep[];
    try {
      ({ steps } = carry.request.decode(bytes));
    } catch {
      this.#part(statusFor('INVALID_REQUEST', 'the message is not a CarryRequest'), 'cut');
      return;
    }
    for (const { call, step } of steps) {
      switch (step?.$case) {
        case 'begin':
          // The end of the carrier is the answer to what comes too late.
          if (this.#parting !== undefined) break;
          if (this.#calls.has(call)) {
            this.#part(statusFor('INVALID_REQUEST', `call ${call} begins although it is under way`), 'cut');
            return;
          }
          this.#begin(call, step.value.method, step.value.request, step.value.timeoutMs);
          break;
        case 'credit':
          this.#calls.get(call)?.grant(step.value);
          break;
        case 'cancel':
          this.#calls.get(call)?.cancel();
          break;
        default:
      }
    }
  }

  #begin(call: number, method: string, request: Buffer, timeoutMs: number): void {
    const caller = new CarriedCaller(this, call, timeoutMs);
    this.#calls.set(call, caller);
    const handler = this.handlers.get(method);
    if (handler === undefined) {
      caller.fail(statusFor('UNSUPPORTED_OPERATION', `this plugin does not serve ${method.slice(0, 200)}`));
    } else if (this.#calls.size > mostCalls) {
      caller.fail(statusFor('QUEUE_FULL', `${mostCalls} calls are under way`, { retryAfterMs: 1000 }));
    } else handler.handle(request, caller);
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    // A call that is alone waits for no others.
    if (this.#calls.size > 1) setImmediate(this.#flush);
    else process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#over || this.#writing) return;
    this.#writing = true;
    const answers = this.#queue.take();
    if (answers.length === 0) this.#writing = false;
    else this.stream.write(carry.response.encode({ answers }), this.#written);
  };

  readonly #written = (): void => {
    this.#writing = false;
    if (this.#queue.bytes < cloggedBytes && this.#heldBack.size > 0) {
      const callers = [...this.#heldBack];
      this.#heldBack.clear();
      for (const caller of callers) caller.resume();
    }
    if (!this.#queue.isEmpty) this.#flush();
    if (this.#parting !== undefined && this.#isIdle) this.#end(this.#parting);
  };

  get #isIdle(): boolean {
    return this.#calls.size === 0 && this.#queue.isEmpty && !this.#writing;
  }

  /**
   * Ends the calls and, when their ends have left or the time for that is over,
   * the carrier. What is answered already is delivered first, or cut as well.
   */
  #part(status: GrpcStatus, answered: 'deliver' | 'cut'): void {
    if (this.#over || this.#parting !== undefined) return;
    this.#parting = status;
    this.#deadline = setTimeout(() => this.#end(status), partingMs);
    // Calls that are cut in the same turn as the carrier end with what cut them.
    setImmediate(() => {
      for (const caller of [...this.#calls.values()]) {
        if (answered === 'cut' || !caller.answered) caller.cancel();
      }
      if (this.#isIdle) this.#end(status);
    });
  }

  #end(status: GrpcStatus): void {
    if (this.#over) return;
    this.#over = true;
    if (status.code === 0) this.stream.end();
    else this.stream.emit('error', status);
    this.#close();
  }

  #close(): void {
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#queue.clear();
    this.#heldBack.clear();
    for (const caller of [...this.#calls.values()]) caller.cancel();
    this.#calls.clear();
    this.#open.close();
  }
}
