// JSON that is cut out of its text instead of being parsed and written again:
// no digit of a large number and no order of properties is lost.

const space = /[ \t\r\n]/;

function skipSpace(text: string, at: number): number {
  while (at < text.length && space.test(text.charAt(at))) at += 1;
  return at;
}

function skipString(text: string, at: number): number {
  for (at += 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x5c) at += 1;
    else if (char === 0x22) return at + 1;
  }
  return at;
}

function skipValue(text: string, at: number): number {
  let depth = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '"') at = skipString(text, at);
    else {
      if (char === '{' || char === '[') depth += 1;
      else if (char === '}' || char === ']') {
        if (depth === 0) return at;
        depth -= 1;
      } else if (depth === 0 && (char === ',' || char === ':' || space.test(char))) return at;
      at += 1;
    }
    if (depth === 0 && (char === '"' || char === '}' || char === ']')) return at;
  }
  return at;
}

/** The text of an object's member, of the last one when the key is there twice. `json` must be valid. */
export function memberText(json: string | undefined, key: string): string | undefined {
  if (json === undefined) return undefined;
  let at = skipSpace(json, 0);
  if (json.charAt(at) !== '{') return undefined;
  let found: string | undefined;
  at = skipSpace(json, at + 1);
  while (at < json.length && json.charAt(at) !== '}') {
    const keyEnd = skipString(json, at);
    const name: unknown = JSON.parse(json.slice(at, keyEnd));
    const start = skipSpace(json, skipSpace(json, keyEnd) + 1);
    const end = skipValue(json, start);
    if (name === key) found = json.slice(start, end);
    at = skipSpace(json, end);
    if (json.charAt(at) === ',') at = skipSpace(json, at + 1);
  }
  return found;
}

/** The texts of an array's elements; none for what is no array. `json` must be valid. */
export function elementTexts(json: string | undefined): string[] {
  if (json === undefined) return [];
  let at = skipSpace(json, 0);
  if (json.charAt(at) !== '[') return [];
  const found: string[] = [];
  at = skipSpace(json, at + 1);
  while (at < json.length && json.charAt(at) !== ']') {
    const end = skipValue(json, at);
    found.push(json.slice(at, end));
    at = skipSpace(json, end);
    if (json.charAt(at) === ',') at = skipSpace(json, at + 1);
  }
  return found;
}

/** Whether a text is the JSON of an object. */
export function isObjectText(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
