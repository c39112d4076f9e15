import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors/gateway-error.js';

/**
 * Reads a whole body of at most `maxBytes`. Rejects with payload_too_large, or with `cancelled`
 * when the client leaves. How slowly it may come is the server's `requestTimeout`.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const declared = request.headers['content-length'];
  if (declared !== undefined && Number(declared) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    // Nearly every body comes in one piece, and then there is nothing to join.
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    let size = 0;
    let over = false;
    request.on('data', (chunk: Buffer) => {
      if (over) return;
      size += chunk.length;
      if (size > maxBytes) {
        over = true;
        first = more = undefined;
        reject(tooLarge(maxBytes));
      } else if (first === undefined) first = chunk;
      else (more ??= [first]).push(chunk);
    });
    request.on('end', () => {
      if (!over) resolve(more === undefined ? (first ?? empty) : Buffer.concat(more, size));
      over = true;
    });
    request.on('error', () => reject(left()));
    request.on('close', () => {
      if (!over) reject(left());
    });
  });
}

const empty = Buffer.alloc(0);

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `the body is larger than ${maxBytes} bytes`);
}

function left(): GatewayError {
  return new GatewayError('cancelled', 'the client left before the whole request was there');
}
