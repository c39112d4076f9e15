import type { OptionKind } from './options.js';

const number = /^-?\d+(\.\d+)?$/;
const truths: Readonly<Record<string, boolean>> = {
  true: true,
  false: false,
  '1': true,
  '0': false,
  yes: true,
  no: false,
  on: true,
  off: false,
};

/**
 * Turns text from an environment variable, a flag or a reference into what an
 * option accepts. Text that does not fit is returned as it is, so that the
 * schema refuses it with its own message.
 */
export function coerce(text: string, kind: OptionKind): unknown {
  const trimmed = text.trim();
  switch (kind) {
    case 'number':
      return number.test(trimmed) ? Number(trimmed) : text;
    case 'boolean':
      return truths[trimmed.toLowerCase()] ?? text;
    case 'strings':
      return trimmed.startsWith('[')
        ? (json(trimmed) ?? text)
        : trimmed
            .split(',')
            .map((item) => item.trim())
            .filter((item) => item !== '');
    case 'object':
    case 'record':
    case 'json':
      return json(trimmed) ?? text;
    default:
      return text;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
