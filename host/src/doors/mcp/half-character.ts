import type { Flaw } from './schema-compiler.js';

/**
 * Half of a surrogate pair, which JSON can escape and UTF-8 cannot hold: on the way to a plugin it would become
 * another character in silence. The other doors refuse it too.
 */
export function halfCharacter(args: Readonly<Record<string, unknown>>): Flaw | undefined {
  for (const [field, value] of Object.entries(args)) {
    if (holdsHalf(field) || holdsHalf(value)) {
      return {
        message: `arguments.${field.toWellFormed()} holds half of a surrogate pair (\\ud800 to \\udfff)`,
        field: field.toWellFormed(),
      };
    }
  }
  return undefined;
}

function holdsHalf(value: unknown): boolean {
  if (typeof value === 'string') return !value.isWellFormed();
  if (Array.isArray(value)) return value.some(holdsHalf);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => holdsHalf(key) || holdsHalf(inner));
}
