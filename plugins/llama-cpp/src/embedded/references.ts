import { EngineError } from '../engine/errors.js';

const DEFINITIONS = '#/$defs/';
/** Their values are data, whatever they look like. */
const DATA = new Set(['const', 'enum', 'default', 'examples']);

/**
 * A JSON Schema whose references all point to `$defs` of its root, which is where the library's grammars look for
 * them. Throws on a reference that leads nowhere; `field` is what the caller knows the schema by.
 */
export function withGatheredReferences(schema: unknown, field: string): unknown {
  // By reference; what is in here and has no target yet is still to be looked into. They may go round in circles.
  const names = new Map<string, string>();
  const rewrite = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rewrite);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]: [string, unknown]) => {
        if (DATA.has(key)) return [key, inner];
        if (key !== '$ref' || typeof inner !== 'string') return [key, rewrite(inner)];
        const name = names.get(inner) ?? `reference ${names.size}`;
        names.set(inner, name);
        return [key, DEFINITIONS + name];
      }),
    );
  };
  const root = rewrite(schema);
  if (names.size === 0) return schema;
  const $defs: Record<string, unknown> = {};
  // Also those that are added meanwhile.
  for (const [reference, name] of names) $defs[name] = rewrite(followed(schema, reference, field));
  return { ...(root as object), $defs };
}

/** What a reference points to: `#` or `#/a/b` with the escapes of JSON Pointer. */
function followed(schema: unknown, reference: string, field: string): unknown {
  const lost = (): EngineError =>
    new EngineError('invalid_request', `${field}: the schema has nothing at ${JSON.stringify(reference)}`, {
      param: field,
    });
  if (reference !== '#' && !reference.startsWith('#/')) throw lost();
  let target = schema;
  for (const step of reference.split('/').slice(1)) {
    const key = decoded(step);
    if (typeof target !== 'object' || target === null || key === undefined || !Object.hasOwn(target, key)) {
      throw lost();
    }
    target = (target as Record<string, unknown>)[key];
  }
  if (typeof target !== 'object' || target === null) throw lost();
  return target;
}

function decoded(step: string): string | undefined {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return undefined;
  }
}
