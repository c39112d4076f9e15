import type { ServerDuplexStream } from '@grpc/grpc-js';
import { MultiplexDefinition, methodsOf, type CallAnswer, type CallStep } from '@outrigger/proto';
import type { Handler } from './caller.js';
import { CarriedCaller, type CallCarrier } from './carried-caller.js';
import { StreamCaller } from './grpc-caller.js';
import type { PluginInstance } from './instance.js';
import { OpenCall } from './open-call.js';
import { statusFor, statusOf, type GrpcStatus } from './status.js';

/** Most calls under way on one carrier. */
const mostCalls = 8192;
/** About the most bytes in one message of the stream. */
const fullBytes = 256 * 1024;
/** How long the last answers may take to leave when the carrier ends, in milliseconds. */
const partingMs = 250;

const { carry } = methodsOf(MultiplexDefinition);

/** One stream and the calls on it. Answers that are ready in the same turn leave together. */
export class Carrier implements CallCarrier {
  readonly #calls = new Map<number, CarriedCaller>();
  readonly #open: OpenCall;
  #answers: CallAnswer[] = [];
  #scheduled = false;
  #writing = false;
  #parting: GrpcStatus | undefined;
  #over = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: ServerDuplexStream<Buffer, Buffer>,
    private readonly handlers: ReadonlyMap<string, Handler>,
    instance: PluginInstance,
  ) {
    this.#open = new OpenCall(new StreamCaller(stream), instance.work, instance.log, false, '');
    this.#open.onAbort((reason) => this.#part(statusOf(reason, this.#open)));
    stream.on('data', (bytes: Buffer) => this.#take(bytes));
    stream.on('end', () => this.#part({ ...statusFor('CANCELLED', 'the host closed the carrier'), code: 0 }));
    stream.on('close', () => this.#close());
  }

  send(answer: CallAnswer): void {
    if (this.#over) return;
    this.#answers.push(answer);
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  ended(call: number): void {
    this.#calls.delete(call);
  }

  #take(bytes: Buffer): void {
    if (this.#over || this.#parting !== undefined) return;
    let steps: CallStep[];
    try {
      ({ steps } = carry.request.decode(bytes));
    } catch {
      this.#part(statusFor('INVALID_REQUEST', 'the message is not a CarryRequest'));
      return;
    }
    for (const { call, step } of steps) {
      switch (step?.$case) {
        case 'begin':
          if (this.#calls.has(call)) {
            this.#part(statusFor('INVALID_REQUEST', `call ${call} begins although it is under way`));
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

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#over || this.#writing || this.#answers.length === 0) return;
    let bytes = 0;
    let count = 0;
    for (const { message } of this.#answers) {
      count += 1;
      bytes += message?.length ?? 0;
      if (bytes >= fullBytes) break;
    }
    const answers = count === this.#answers.length ? this.#answers : this.#answers.slice(0, count);
    this.#answers = count === this.#answers.length ? [] : this.#answers.slice(count);
    this.#writing = true;
    this.stream.write(carry.response.encode({ answers }), this.#written);
  };

  readonly #written = (): void => {
    this.#writing = false;
    if (this.#answers.length > 0) this.#flush();
    else if (this.#parting !== undefined && this.#calls.size === 0) this.#end(this.#parting);
  };

  /** Ends the calls and, when their ends have left or the time for that is over, the carrier. */
  #part(status: GrpcStatus): void {
    if (this.#over || this.#parting !== undefined) return;
    this.#parting = status;
    this.#deadline = setTimeout(() => this.#end(status), partingMs);
    // Calls that are cut in the same turn as the carrier end with what cut them.
    setImmediate(() => {
      for (const caller of [...this.#calls.values()]) caller.cancel();
      if (this.#calls.size === 0 && this.#answers.length === 0 && !this.#writing) this.#end(status);
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
    this.#answers = [];
    for (const caller of [...this.#calls.values()]) caller.cancel();
    this.#calls.clear();
    this.#open.close();
  }
}
