import { randomUUID } from 'node:crypto';

/** A new id such as `chatcmpl-…`. */
export function answerId(prefix: 'chatcmpl' | 'cmpl'): string {
  return `${prefix}-${randomUUID().replaceAll('-', '')}`;
}

/** Seconds since the epoch, as OpenAI writes times. */
export function created(): number {
  return Math.floor(Date.now() / 1000);
}
