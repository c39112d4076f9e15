import type { GenerateEvent } from '@outrigger/proto';
import type { GatewayError } from '../../errors/gateway-error.js';
import type { Generation, GenerationSink } from '../../router/inference.js';
import type { Exchange } from '../http/exchange.js';
import { SseWriter } from '../http/sse-writer.js';

/**
 * A generation as server-sent events. What is ready at one moment leaves in one write. The
 * end is written only when the answer is whole; an answer that was cut ends with an error.
 */
export abstract class AnswerStream implements GenerationSink {
  private readonly writer: SseWriter;

  constructor(
    protected readonly exchange: Exchange,
    protected readonly generation: Generation,
  ) {
    this.writer = new SseWriter(exchange, generation);
    exchange.onShutdown = (error) => {
      if (this.writer.isEnded) return;
      generation.cancel();
      this.fail(error);
    };
  }

  /** Begins to deliver, unless the client has left already. */
  start(): void {
    if (!this.writer.isEnded) this.generation.attach(this);
  }

  events(events: readonly GenerateEvent[]): void {
    const text = this.render(events);
    if (text !== '') this.writer.write(text);
  }

  complete(): void {
    this.writer.end(this.renderEnd());
  }

  fail(error: GatewayError): void {
    if (this.writer.isEnded) return;
    if (this.writer.isOpen) {
      this.exchange.log(error);
      this.writer.end(this.renderError(error));
    } else {
      this.writer.abandon();
      this.exchange.fail(error);
    }
  }

  /** Whole server-sent events, or nothing. */
  protected abstract render(events: readonly GenerateEvent[]): string;
  protected abstract renderEnd(): string;
  protected abstract renderError(error: GatewayError): string;
}
