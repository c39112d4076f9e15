import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const idPattern = /^[A-Za-z0-9_.:-]{1,128}$/;

/** The id that the caller gave, when it is one that logs and headers can carry; else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && idPattern.test(given) ? given : newRequestId();
}

/** `req_` and a UUID. */
export function newRequestId(): string {
  return `req_${randomUUID()}`;
}
