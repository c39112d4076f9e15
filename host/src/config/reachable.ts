import { dotted, isTree, type ConfigPath } from './paths.js';
import type { Config } from './schema.js';

/** Options that a running host takes over; for any other it has to be started again. */
const live = ['plugins', 'bundledPlugins', 'models', 'strictParams', 'auth', 'admin'] as const;

/** What a running host can make of another configuration. */
export interface Reachable {
  /** The other configuration as far as it can be taken, the running one beyond that. */
  readonly config: Config;
  /** Dotted names of the options that differ and need a restart. */
  readonly restart: readonly string[];
}

/** Tells what of a configuration a host can take while it runs. */
export function reachable(running: Config, wanted: Config): Reachable {
  const { plugins, bundledPlugins, models, strictParams, auth, admin } = wanted;
  const config = { ...running, plugins, bundledPlugins, models, strictParams, auth, admin };
  const ignored = new Set<string>([...live, '$schema']);
  const fixed = [...new Set([...Object.keys(running), ...Object.keys(wanted)])].filter(
    (key) => !ignored.has(key),
  );
  return { config, restart: fixed.flatMap((key) => differences(running, wanted, [key])) };
}

function differences(was: unknown, is: unknown, path: ConfigPath): string[] {
  const [key = ''] = path.slice(-1);
  const [a, b] = [was, is].map((tree) => (isTree(tree) ? tree[key] : undefined));
  if (!isTree(a) || !isTree(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [dotted(path)];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((inner) =>
    differences(a, b, [...path, inner]),
  );
}
