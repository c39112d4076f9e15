import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors/gateway-error.js';
import type { BodyBudget } from './body-budget.js';

/**
 * Reads a whole body of at most `maxBytes`. Rejects with payload_too_large, with rate_limited when
 * too much is on its way already, or with `cancelled` when the client leaves. How slowly it may come is the server's `requestTimeout`.
 */
export function readBody(request: IncomingMessage, maxBytes: number, budget: BodyBudget): Promise<Buffer> {
  const declared = request.headers['content-length'];
  if (declared !== undefined && Number(declared) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    // Nearly every body comes in one piece, and then there is nothing to join.
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    let size = 0;
    let over = false;
    const end = (): void => {
      over = true;
      budget.giveBack(size);
    };
    request.on('data', (chunk: Buffer) => {
      if (over) return;
      size += chunk.length;
      const fits = budget.take(chunk.length);
      if (size > maxBytes || !fits) {
        end();
        first = more = undefined;
        reject(size > maxBytes ? tooLarge(maxBytes) : crowded());
      } else if (first === undefined) first = chunk;
      else (more ??= [first]).push(chunk);
    });
    request.on('end', () => {
      if (over) return;
      end();
      resolve(more === undefined ? (first ?? empty) : Buffer.concat(more, size));
    });
    const gone = (): void => {
      if (over) return;
      end();
      reject(left());
    };
    request.on('error', gone);
    request.on('close', gone);
  });
}

const empty = Buffer.alloc(0);

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `the body is larger than ${maxBytes} bytes`);
}

function crowded(): GatewayError {
  return new GatewayError('rate_limited', 'the bodies of too many requests are on their way', {
    retryAfterMs: 1000,
  });
}

function left(): GatewayError {
  return new GatewayError('cancelled', 'the client left before the whole request was there');
}
