import type { PluginSource } from './plugin-source.js';

/** What it takes to get from one source to another, the smallest that does. */
export type SourceDifference = 'none' | 'policy' | 'configuration' | 'instance';

/** Compares two sources of one plugin. */
export function difference(was: PluginSource, is: PluginSource): SourceDifference {
  if (!same([was.origin, was.swapMode], [is.origin, is.swapMode])) return 'instance';
  // A plugin may drop what it is doing when it is configured anew; one that the host can start again
  // is exchanged instead, and nothing is lost.
  if (!same(was.config, is.config)) return is.origin.kind === 'spawn' ? 'instance' : 'configuration';
  return same(was, is) ? 'none' : 'policy';
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** The order of keys says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
