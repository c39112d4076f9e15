import { Client, credentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import {
  MultiplexDefinition,
  codecOf,
  ErrorInfo,
  RpcStatus,
  methodsOf,
  type CallAnswer,
  type CallEnd,
  type CallStep,
} from '@outrigger/proto';

const { carry } = methodsOf(MultiplexDefinition);

/** What was heard of one call. */
export class HeardCall {
  /** Messages, whole. */
  readonly messages: Buffer[] = [];
  /** Lengths of the parts in which they came. */
  readonly parts: number[] = [];
  readonly ends: CallEnd[] = [];
  #pieces: Buffer[] = [];

  get end(): CallEnd | undefined {
    return this.ends[0];
  }

  /** Reason in the end's details. */
  get reason(): string {
    return reasonOf(this.end?.details);
  }

  take({ message, more, end }: CallAnswer): void {
    if (this.end !== undefined) throw new Error('an answer after the end');
    if (message !== undefined) {
      this.parts.push(message.length);
      this.#pieces.push(message);
      if (!more) this.messages.push(Buffer.concat(this.#pieces.splice(0)));
    }
    if (end !== undefined) this.ends.push(end);
  }
}

/** How the carrier itself ended. */
export interface CarrierEnd {
  readonly code: number;
  readonly reason: string;
}

/** A host on one carrier, step by step. */
export class CarryClient {
  /** Numbers of the calls in the order of their answers. */
  readonly order: number[] = [];
  readonly ended: Promise<CarrierEnd>;
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #client: Client;
  readonly #calls = new Map<number, HeardCall>();
  #heard: () => void = () => undefined;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    const same = (bytes: Buffer): Buffer => bytes;
    this.stream = this.#client.makeBidiStreamRequest(carry.path, same, same);
    this.stream.on('data', (bytes: Buffer) => {
      for (const answer of carry.response.decode(bytes).answers) {
        this.order.push(answer.call);
        this.call(answer.call).take(answer);
      }
      this.#heard();
    });
    this.stream.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.stream.on('status', ({ code, metadata }: ServiceError) => {
        const details = metadata.get('grpc-status-details-bin')[0];
        resolve({ code, reason: reasonOf(Buffer.isBuffer(details) ? details : undefined) });
      });
    });
  }

  /** What was heard under this number since it was last begun. */
  call(call: number): HeardCall {
    let heard = this.#calls.get(call);
    if (heard === undefined) this.#calls.set(call, (heard = new HeardCall()));
    return heard;
  }

  say(...steps: CallStep[]): void {
    for (const { call, step } of steps) if (step?.$case === 'begin') this.#calls.delete(call);
    this.stream.write(carry.request.encode({ steps }));
  }

  /** Resolves when the condition holds; looks after every message. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (condition()) resolve();
      };
      this.#heard = look;
      look();
    });
  }

  /** Resolves when the call has ended. */
  async end(call: number): Promise<HeardCall> {
    await this.until(() => this.call(call).end !== undefined);
    return this.call(call);
  }

  close(): void {
    this.stream.cancel();
    this.#client.close();
  }
}

export function begin(call: number, method: string, request: Buffer, timeoutMs = 0): CallStep {
  return { call, step: { $case: 'begin', value: { method, request, timeoutMs } } };
}

export function credit(call: number, bytes: number): CallStep {
  return { call, step: { $case: 'credit', value: bytes } };
}

export function cancel(call: number): CallStep {
  return { call, step: { $case: 'cancel', value: {} } };
}

function reasonOf(details: Buffer | undefined): string {
  if (details === undefined) return '';
  const info = codecOf(RpcStatus)
    .decode(details)
    .details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return info === undefined ? '' : codecOf(ErrorInfo).decode(info.value).reason;
}
