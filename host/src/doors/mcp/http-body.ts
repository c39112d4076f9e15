import type { IncomingMessage } from 'node:http';
import type { Clock } from './clock.js';
import { Refusal } from './http-answers.js';
import type { McpLimits } from './limits.js';

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;

/**
 * Reads a JSON body within its bounds. Throws a Refusal: 415 for another media type, 413 when
 * too large, 408 when too slow, 400 when it is not UTF-8, not JSON, nested too deeply or of too many members.
 */
export async function readJsonBody(req: IncomingMessage, limits: McpLimits, clock: Clock): Promise<unknown> {
  const type = req.headers['content-type'] ?? '';
  if (!/^\s*application\/json\s*(;|$)/i.test(type))
    throw new Refusal(415, -32000, 'Unsupported Media Type: Content-Type must be application/json');
  if (Number(req.headers['content-length'] ?? 0) > limits.bodyBytes) throw tooLarge(limits);
  const bytes = await collect(req, limits, clock);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal(400, PARSE_ERROR, 'Parse error: the body is not valid UTF-8');
  }
  const trouble = excess(text, limits);
  if (trouble !== undefined) throw new Refusal(400, INVALID_REQUEST, `Invalid Request: ${trouble}`);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Refusal(400, PARSE_ERROR, 'Parse error: the body is not valid JSON');
  }
}

function collect(req: IncomingMessage, limits: McpLimits, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const callOff = clock.after(limits.bodyMs, () =>
      fail(new Refusal(408, INVALID_REQUEST, 'the body did not arrive in time', { connection: 'close' })),
    );
    const done = (): void => {
      callOff();
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    };
    const fail = (error: Error): void => {
      done();
      // What still comes is thrown away, so that the client can read the refusal.
      req.resume();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.bodyBytes) fail(tooLarge(limits));
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      done();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    };
    const onGone = (): void => fail(new Refusal(400, PARSE_ERROR, 'Parse error: the body is not whole'));
    req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}

function tooLarge(limits: McpLimits): Refusal {
  return new Refusal(413, -32000, `Payload Too Large: at most ${limits.bodyBytes} bytes`, {
    connection: 'close',
  });
}

/** Counts brackets and members outside of strings: validators must not see what would break or hold them. */
function excess(text: string, { bodyDepth, bodyMembers }: McpLimits): string | undefined {
  let depth = 0;
  let members = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === 0x5c) i += 1;
      else if (unit === 0x22) inString = false;
    } else if (unit === 0x22) inString = true;
    else if (unit === 0x3a) {
      members += 1;
      if (members > bodyMembers) return `more than ${bodyMembers} members`;
    } else if (unit === 0x7b || unit === 0x5b) {
      depth += 1;
      if (depth > bodyDepth) return `nested deeper than ${bodyDepth}`;
    } else if (unit === 0x7d || unit === 0x5d) depth -= 1;
  }
  return undefined;
}
