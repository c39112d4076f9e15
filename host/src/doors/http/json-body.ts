import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../../errors/gateway-error.js';

const maxDepth = 64;
/** Most values of a body where a route says nothing else. */
const usualValues = 100_000;

/** Refuses a body that does not say it is JSON. No content type at all is let through. */
export function requireJson(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'];
  if (type !== undefined && type !== 'application/json' && !isJsonType(type)) {
    throw new GatewayError(
      'unsupported_media_type',
      `the body must be JSON in UTF-8; send the header "content-type: application/json"`,
      { param: 'content-type' },
    );
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'the body must not be compressed', {
      param: 'content-encoding',
    });
  }
}

function isJsonType(type: string): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset=("?)utf-?8\1\s*)?;?\s*$/i.test(type);
}

/**
 * Parses a body. Throws invalid_request for what is not UTF-8, not JSON, nested deeper than
 * 64 levels, holds more than `maxValues` keys and entries of lists, `__proto__` as a key, or half of a character.
 */
export function parseJson(bytes: Buffer, maxValues = usualValues): unknown {
  if (!isUtf8(bytes)) throw invalid('the body is not valid UTF-8');
  checkShape(bytes, maxValues);
  const start = bytes.length > 2 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = bytes.toString('utf8', start);
  if (text === '') throw invalid('the body is empty; send a JSON object');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message.slice(0, 200) : '';
    throw invalid(`the body is not valid JSON: ${reason}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the body must be a JSON object');
  }
  // Escapes can hide both kinds of trouble; without them a look at the text is enough.
  if (text.includes('\\u') || text.includes('__proto__')) checkStrings(value);
  restoreSeed(value as Record<string, unknown>, text);
  return value;
}

/** Before parsing: every level and every value costs the parser memory, and what checks them time. */
function checkShape(bytes: Buffer, maxValues: number): void {
  let depth = 0;
  let values = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (quoted) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) throw invalid(`the body is nested deeper than ${maxDepth} levels`);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if ((byte === 0x3a || byte === 0x2c) && ++values > maxValues) {
      throw invalid(`the body holds more than ${maxValues} keys and entries`);
    }
  }
}

function checkStrings(value: unknown): void {
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value))
      throw invalid('the body holds half of a surrogate pair (\\ud800 to \\udfff)');
  } else if (Array.isArray(value)) value.forEach(checkStrings);
  else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      if (key === '__proto__') throw invalid('the body holds the key `__proto__`, which is not accepted');
      checkStrings(key);
      checkStrings((value as Record<string, unknown>)[key]);
    }
  }
}

/** Seeds are 64-bit and JSON.parse rounds beyond 2^53: the exact digits are taken from the text. */
function restoreSeed(body: Record<string, unknown>, text: string): void {
  const { seed } = body;
  if (typeof seed !== 'number' || !Number.isInteger(seed) || Number.isSafeInteger(seed)) return;
  for (const [, digits = ''] of text.matchAll(/"seed"\s*:\s*(-?\d+)(?=\s*[,}])/g)) {
    if (Number(digits) !== seed) continue;
    const exact = BigInt(digits);
    if (BigInt.asIntN(64, exact) === exact) body['seed'] = exact;
  }
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_request', message);
}
