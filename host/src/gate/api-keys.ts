import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../errors/gateway-error.js';

/** Decides whether a request may come in: the reason why not, or undefined. */
export type Gate = (headers: IncomingHttpHeaders) => GatewayError | undefined;

/**
 * Lets in who shows one of the keys as `Authorization: Bearer`, `x-api-key` or
 * `api-key`. Without keys everybody is let in. Comparing takes the same time
 * whatever is shown.
 */
export function createKeyGate(keys: readonly string[]): Gate {
  if (keys.length === 0) return () => undefined;
  const known = keys.map(digest);
  return (headers) => {
    const shown = keyOf(headers);
    if (shown === undefined) {
      return new GatewayError(
        'unauthenticated',
        'an API key is needed: send it as "Authorization: Bearer KEY"',
      );
    }
    const given = digest(shown);
    // Every key is compared, so that time does not tell which one was near.
    const matches = known.map((key) => timingSafeEqual(key, given));
    return matches.includes(true)
      ? undefined
      : new GatewayError('unauthenticated', 'the API key is not known here');
  };
}

/** The key that a request shows, whether it is known or not. */
export function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const other = headers['x-api-key'] ?? headers['api-key'];
  return typeof other === 'string' && other !== '' ? other : undefined;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
