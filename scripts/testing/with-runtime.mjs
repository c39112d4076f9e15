// `describe` for tests that need a real runtime: skipped, with the reason in the title, where there is none.
import { describe } from '@jest/globals';
import { runtime } from '../runtimes/locate.mjs';

function describeAll(names, title, body, found) {
  const reasons = names.map((name) => found[name].missing).filter((reason) => reason !== undefined);
  if (reasons.length === 0) describe(title, body);
  else describe.skip(`${title} [skipped: ${reasons.join('; ')}]`, body);
}

/** Runs `body(runtime)` as a describe block when the runtime is there; skips it with the reason otherwise. */
export function describeWith(name, title, body) {
  const found = runtime(name);
  // The body of a skipped block runs too, to collect its tests: it gets an empty path, which no test will use.
  describeAll([name], title, () => body(found.missing ? { path: '', version: '' } : found), {
    [name]: found,
  });
}

/** The same for several runtimes at once; `body` gets `{ name: runtime }`. */
export function describeWithAll(names, title, body) {
  const found = Object.fromEntries(names.map((name) => [name, runtime(name)]));
  const given = Object.fromEntries(
    names.map((name) => [name, found[name].missing ? { path: '', version: '' } : found[name]]),
  );
  describeAll(names, title, () => body(given), found);
}
