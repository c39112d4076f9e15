import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isTree } from './paths.js';

/** A plugin that was installed together with the host. */
export interface BundledPlugin {
  readonly name: string;
  /** Starts without being configured. */
  readonly autostart: boolean;
  readonly command: readonly string[];
  /** Environment variables of the host that it needs: `NAME`, or `PREFIX_*`. */
  readonly env: readonly string[];
  /** Default settings of the plugin itself. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly directory: string;
}

/** What was found, and sentences about what could not be used. */
export interface BundledPlugins {
  readonly plugins: readonly BundledPlugin[];
  readonly warnings: readonly string[];
}

/** The folder of the host package, whether this file runs from src/ or from dist/. */
export const hostDirectory = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Finds the plugins beside the host: packages with
 * `"outrigger": { "plugin": true, "entry": "./dist/main.js", "autostart": true, "env": ["NAME", "PREFIX_*"], "config": {…} }`
 * in their package.json, in `../plugins/*` of a workspace or installed as
 * `@outrigger/plugin-*`. The host knows none of them by name. Sorted by name;
 * of two with the same name the first place counts.
 */
export async function discoverBundledPlugins(
  options: { readonly hostDirectory?: string; readonly execPath?: string } = {},
): Promise<BundledPlugins> {
  const host = options.hostDirectory ?? hostDirectory;
  const execPath = options.execPath ?? process.execPath;
  const scope = dirname(host);
  const installed = (name: string) => name.startsWith('plugin-');
  const places: { folder: string; accept: (name: string) => boolean }[] = [
    { folder: join(scope, 'plugins'), accept: () => true },
    { folder: join(host, 'node_modules', '@outrigger'), accept: installed },
    { folder: join(scope, 'node_modules', '@outrigger'), accept: installed },
  ];
  if (basename(scope) === '@outrigger') places.push({ folder: scope, accept: installed });

  const found = new Map<string, BundledPlugin>();
  const warnings = new Map<string, string>();
  for (const { folder, accept } of places) {
    for (const name of (await readdir(folder).catch(() => [])).filter(accept).sort()) {
      const result = await readPlugin(join(folder, name), execPath);
      if (typeof result === 'string') {
        // A workspace shows the same package again under node_modules.
        if (!warnings.has(name.replace(/^plugin-/, ''))) warnings.set(name.replace(/^plugin-/, ''), result);
      } else if (result !== undefined && !found.has(result.name)) {
        found.set(result.name, result);
      }
    }
  }
  const plugins = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { plugins, warnings: [...warnings.values()] };
}

async function readPlugin(directory: string, execPath: string): Promise<BundledPlugin | string | undefined> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
  if (!isTree(manifest) || !isTree(manifest['outrigger'])) return undefined;
  const {
    plugin,
    entry = './dist/main.js',
    autostart = false,
    env = [],
    config = {},
    name: given,
  } = manifest['outrigger'];
  if (plugin !== true) return undefined;
  const packageName = typeof manifest['name'] === 'string' ? manifest['name'] : basename(directory);
  const name =
    typeof given === 'string' ? given : packageName.replace(/^@[^/]*\//, '').replace(/^plugin-/, '');
  if (typeof entry !== 'string' || !isTree(config) || !isVariables(env) || !/^[a-z0-9-]{1,64}$/.test(name)) {
    return `the field "outrigger" of ${packageName} cannot be used: "entry" must be a path, "env" a list of variables, "config" an object, the name lower case`;
  }
  const main = join(directory, entry);
  if (
    !(await stat(main).then(
      (file) => file.isFile(),
      () => false,
    ))
  ) {
    return `the bundled plugin ${name} is not built: ${entry} is missing; run \`npm run build\``;
  }
  return { name, autostart: autostart === true, command: [execPath, main], env, config, directory };
}

function isVariables(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.every((name) => typeof name === 'string' && /^[A-Za-z_][A-Za-z0-9_]*\*?$/.test(name))
  );
}
