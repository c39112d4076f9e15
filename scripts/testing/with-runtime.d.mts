import type { FoundRuntime, RuntimeName } from '../runtimes/locate.mjs';

/**
 * Runs `body(runtime)` as a jest describe block when the runtime is there; skips it, with the reason and the install
 * command in the title, otherwise. In a skipped block the body still runs to collect its tests, with an empty path:
 * use the runtime in hooks and tests, not while collecting.
 */
export function describeWith(name: RuntimeName, title: string, body: (runtime: FoundRuntime) => void): void;

/** The same for several runtimes at once. */
export function describeWithAll<const Names extends readonly RuntimeName[]>(
  names: Names,
  title: string,
  body: (runtimes: { readonly [Name in Names[number]]: FoundRuntime }) => void,
): void;
