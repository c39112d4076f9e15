import { GatewayError } from '../../errors/gateway-error.js';
import type { Exchange } from '../http/exchange.js';
import { SseWriter } from '../http/sse-writer.js';
import { problem } from './problem.js';
import { sseEvent } from './sse-event.js';

/**
 * Answers with something that takes a while: as `progress` events and a `done` with the last
 * one, or, when not streamed, with the last one alone. Slow readers hold the source back.
 */
export async function answerProgress<T>(
  exchange: Exchange,
  source: AsyncIterable<T>,
  show: (step: T) => object,
  streamed: boolean,
): Promise<void> {
  if (!streamed) {
    let last: object = {};
    for await (const step of source) last = show(step);
    exchange.sendJson(200, last);
    return;
  }
  let wake: (() => void) | undefined;
  let held: Promise<void> | undefined;
  const release = (): void => {
    wake?.();
    held = wake = undefined;
  };
  const writer = new SseWriter(exchange, {
    pause: () => {
      held = new Promise((resolve) => (wake = resolve));
    },
    resume: release,
    cancel: release,
  });
  const fail = (error: GatewayError): void => {
    release();
    if (writer.isEnded) return;
    if (writer.isOpen) {
      exchange.log(error);
      writer.end(sseEvent('error', problem(error, exchange.requestId)));
    } else {
      writer.abandon();
      exchange.fail(error);
    }
  };
  exchange.onShutdown = fail;
  try {
    let last: object = {};
    for await (const step of source) {
      last = show(step);
      writer.write(sseEvent('progress', last));
      if (held !== undefined) await held;
      // Leaving the loop tells the source that nobody listens any more.
      if (writer.isEnded) return;
    }
    writer.end(sseEvent('done', last));
  } catch (thrown) {
    fail(GatewayError.from(thrown));
  }
}
