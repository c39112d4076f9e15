import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from './clock.js';
import type { HttpExchange } from './exchange.js';
import type { McpLimits } from './limits.js';

const COLON = 0x3a;

/**
 * Writes the answer of an adapter to the socket, at the pace of the reader, and tells the
 * exchange what has been taken. Resolves when the answer is out or nobody wants it any more.
 */
export async function pump(
  response: Response,
  res: ServerResponse,
  exchange: HttpExchange,
  limits: McpLimits,
  clock: Clock,
): Promise<void> {
  for (const [name, value] of response.headers) {
    // Node decides about the connection by itself.
    if (name !== 'connection' || value === 'close') res.setHeader(name, value);
  }
  res.statusCode = response.status;
  const body = response.body;
  if (body === null) {
    res.end();
    return;
  }
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
  if (!isStream) {
    const bytes = Buffer.from(await response.arrayBuffer());
    res.setHeader('content-length', bytes.length);
    res.end(bytes);
    await reached('finish', res, exchange, limits, clock);
    return;
  }
  // A client waits for the headers to know that its stream is open.
  res.flushHeaders();
  const reader = body.getReader();
  const gone = (): void => void reader.cancel().catch(() => undefined);
  res.once('close', gone);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const chunk = next.value as Uint8Array;
      if (!res.write(chunk)) await reached('drain', res, exchange, limits, clock);
      // A comment that keeps the connection alive is not one of our messages.
      if (chunk[0] !== COLON) exchange.delivered();
      if (res.destroyed) return;
    }
    res.end();
    await reached('finish', res, exchange, limits, clock);
  } finally {
    res.off('close', gone);
    await reader.cancel().catch(() => undefined);
  }
}

/** Waits until the reader has caught up or taken all; one that takes nothing for too long is given up. */
async function reached(
  event: 'drain' | 'finish',
  res: ServerResponse,
  exchange: HttpExchange,
  limits: McpLimits,
  clock: Clock,
): Promise<void> {
  if (res.destroyed || res.writableFinished) return;
  const abort = new AbortController();
  const callOff = clock.after(limits.stallMs, () => exchange.kill('the reader takes nothing'));
  const { signal } = abort;
  try {
    await Promise.race([once(res, event, { signal }), once(res, 'close', { signal })]);
  } catch {
    // The connection broke: `close` has told everybody.
  } finally {
    callOff();
    abort.abort();
  }
}
