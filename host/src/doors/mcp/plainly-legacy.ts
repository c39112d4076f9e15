/** Revisions that a session may name in the header of its requests. */
const legacyRevisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
const members = ['jsonrpc', 'id', 'method', 'params'];

/**
 * Whether a message that was posted is certainly of a revision up to 2025-11-25: a request or notification
 * of no unusual form, without any of the members and headers that came later. Whatever else comes is for the
 * SDK of the later revision to judge, which hosts without such clients need not load. `version` is what the
 * header names.
 */
export function isPlainlyLegacy(version: string | null, body: unknown): boolean {
  if (version !== null && !legacyRevisions.includes(version)) return false;
  if (!isObject(body) || body.jsonrpc !== '2.0' || typeof body.method !== 'string') return false;
  if (!Object.keys(body).every((name) => members.includes(name))) return false;
  if (Object.hasOwn(body, 'id') && !isToken(body.id)) return false;
  if (body.params === undefined) return true;
  if (!isObject(body.params)) return false;
  const { _meta: meta } = body.params;
  if (meta === undefined) return true;
  // Sent by clients of all revisions; anything else may be a claim of the later one.
  return (
    isObject(meta) &&
    Object.entries(meta).every(([name, value]) => name === 'progressToken' && isToken(value))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isToken(value: unknown): boolean {
  return typeof value === 'string' || Number.isSafeInteger(value);
}
