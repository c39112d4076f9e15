import { dirname, isAbsolute, join, resolve } from 'node:path';
import { discoverBundledPlugins, type BundledPlugins } from './bundled-plugins.js';
import { checkTogether } from './checks.js';
import { coerce } from './coerce.js';
import { ConfigError, type ConfigProblem } from './config-error.js';
import { settingsFromEnvironment, type Environment, type Setting } from './environment.js';
import { interpolate } from './interpolate.js';
import { kindAt } from './options.js';
import { define, dotted, isTree, mapLeaves, setAt, type ConfigPath, type Tree } from './paths.js';
import { problemsOf, type PlacedProblem } from './problems.js';
import { readText } from './read-text.js';
import { configSchema, type Config } from './schema.js';
import { findSourceFile, type SourceFile } from './source-file.js';

/** Everything the configuration depends on; nothing is read from the process itself. */
export interface LoadOptions {
  /** Path of the file as given by flag; must exist. */
  readonly file?: string | undefined;
  /** Options given by flag, by dotted name (`server.port`); text is turned into what the option accepts. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Weaker than the file, stronger than the defaults of the schema, by dotted name. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  readonly env: Environment;
  readonly cwd: string;
  /** Home directory, for `~/.config` when XDG_CONFIG_HOME is absent. */
  readonly home?: string | undefined;
  readonly readFile?: (path: string) => string;
  /** Plugins that come with the host; looked for beside the host when absent. */
  readonly bundled?: BundledPlugins;
}

/** A valid configuration and where it came from. */
export interface LoadedConfig {
  readonly config: Config;
  /** Path of the file; undefined when only defaults, environment and flags were used. */
  readonly file: string | undefined;
  /** The file has nothing in it. */
  readonly empty?: boolean;
  /** Files whose change changes the configuration: the file itself and those of `${file:…}`. */
  readonly files: readonly string[];
  /** Dotted names of values that must not be shown, for `redact`. */
  readonly secretPaths: readonly string[];
  /** Sentences worth a log line. */
  readonly warnings: readonly string[];
}

/**
 * Finds, reads, completes and validates the configuration:
 * flags, then environment, then file, then defaults.
 * Throws a ConfigError that carries every problem at once.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { env, cwd, home } = options;
  const readFile = options.readFile ?? readText;
  const file = await findSourceFile({
    flag: options.file,
    variable: env['OUTRIGGER_CONFIG'],
    cwd,
    configHome: env['XDG_CONFIG_HOME'] || (home === undefined ? undefined : join(home, '.config')),
    readFile,
  });
  const base = file === undefined ? cwd : dirname(file.path);
  const filled = fillIn(file, { env, base, readFile });
  const environment = settingsFromEnvironment(env);
  const flags = Object.entries(options.flags ?? {}).filter(([, value]) => value !== undefined);
  const settings = [...environment.settings, ...flags.map(([name, value]) => fromFlag(name, value))];

  const tree: Tree = {};
  for (const [name, value] of Object.entries(options.defaults ?? {})) setAt(tree, name.split('.'), value);
  overlay(tree, filled.tree);
  for (const { path, value } of settings) setAt(tree, path, value);
  const bundled = options.bundled ?? (await discoverBundledPlugins());
  addBundledPlugins(tree, bundled, cwd);

  const place = (problem: PlacedProblem) => locate(problem, file, settings);
  const problems: ConfigProblem[] = [...environment.problems, ...filled.problems.map(place)];
  // A value that could not be filled in is reported once, not a second time for its type.
  const reported = new Set(filled.problems.map(({ at }) => dotted(at)));
  const result = configSchema.safeParse(tree);
  if (!result.success) {
    const refused = problemsOf(result.error.issues, tree).filter(({ at }) => !reported.has(dotted(at)));
    throw new ConfigError([...problems, ...refused.map(place)], file?.path);
  }
  const config = result.data;
  const names = bundled.plugins.map(({ name }) => name);
  const later = [...checkTogether(config, names), ...resolvePaths(config, base, readFile)];
  problems.push(...later.map(place));
  if (problems.length > 0) throw new ConfigError(problems, file?.path);
  return {
    config,
    file: file?.path,
    empty: file?.empty ?? false,
    files: [...(file === undefined ? [] : [file.path]), ...filled.files],
    secretPaths: filled.secretPaths,
    warnings: [...environment.warnings, ...(config.bundledPlugins ? bundled.warnings : [])],
  };
}

interface Filled {
  readonly tree: Tree;
  readonly problems: PlacedProblem[];
  readonly secretPaths: string[];
  readonly files: string[];
}

/** Replaces every `${…}` in the values of a file. Names of options are left alone. */
function fillIn(
  file: SourceFile | undefined,
  from: { env: Environment; base: string; readFile: (path: string) => string },
): Filled {
  const problems: PlacedProblem[] = [];
  const secretPaths: string[] = [];
  const files: string[] = [];
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(from.base, path));
  const source = { env: from.env, readFile: (path: string) => from.readFile(absolute(path)) };
  const tree = mapLeaves(file?.tree ?? {}, (leaf, path) => {
    if (typeof leaf !== 'string') return leaf;
    const result = interpolate(leaf, source);
    if (!result.changed) return leaf;
    problems.push(...result.problems.map((problem) => ({ ...problem, at: path })));
    files.push(...result.files.map(absolute));
    if (result.secret) secretPaths.push(dotted(path));
    const kind = kindAt(path);
    if (kind !== 'unknown')
      return kind === 'number' || kind === 'boolean' ? coerce(result.text, kind) : result.text;
    // Settings of a plugin have no type here: an unquoted reference reads as if its value had been written there.
    return file?.isUnquoted(path) === true ? scalar(result.text) : result.text;
  }) as Tree;
  return { tree, problems, secretPaths, files };
}

/** Numbers and switches as YAML writes them; anything else stays text. */
function scalar(text: string): unknown {
  if (/^(true|false)$/.test(text)) return text === 'true';
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number(text) : text;
}

function fromFlag(name: string, value: unknown): Setting {
  const path = name.split('.');
  return {
    path,
    value: typeof value === 'string' ? coerce(value, kindAt(path)) : value,
    origin: `flag for ${name}`,
  };
}

/** Puts one tree over another, section by section. An empty section in the file counts as absent. */
function overlay(under: Tree, over: Tree): void {
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(under, key) ? under[key] : undefined;
    if (isTree(below) && isTree(value)) overlay(below, value);
    else if (!(isTree(below) && value === null)) define(under, key, value);
  }
}

/** Adds plugins that start by themselves and completes entries that are named like a bundled one. */
function addBundledPlugins(tree: Tree, bundled: BundledPlugins, cwd: string): void {
  const plugins = tree['plugins'] ?? {};
  if (!isTree(plugins)) return;
  tree['plugins'] = plugins;
  for (const { name, autostart, command, env, config } of bundled.plugins) {
    const entry = plugins[name] ?? (name in plugins ? {} : undefined);
    if (entry === undefined) {
      if (autostart && tree['bundledPlugins'] !== false)
        plugins[name] = { command: [...command], secrets: [...env], config: { ...config }, cwd };
    } else if (isTree(entry) && entry['command'] === undefined && entry['address'] === undefined) {
      const own = isTree(entry['config'])
        ? { ...config, ...entry['config'] }
        : (entry['config'] ?? { ...config });
      const granted: unknown = entry['secrets'] ?? [];
      const secrets = Array.isArray(granted) ? [...new Set([...env, ...(granted as unknown[])])] : granted;
      plugins[name] = { cwd, ...entry, command: [...command], secrets, config: own };
    }
  }
}

/** Makes paths absolute and reads certificates that were given by path. */
function resolvePaths(config: Config, base: string, readFile: (path: string) => string): PlacedProblem[] {
  const problems: PlacedProblem[] = [];
  if (config.pluginDirectory !== undefined) config.pluginDirectory = resolve(base, config.pluginDirectory);
  for (const [name, plugin] of Object.entries(config.plugins)) {
    if (plugin.command !== undefined) plugin.cwd = resolve(base, plugin.cwd ?? '.');
    const { tls } = plugin;
    if (tls === undefined) continue;
    for (const field of ['ca', 'cert', 'key'] as const) {
      const value = tls[field];
      if (value === undefined || value.includes('-----BEGIN')) continue;
      try {
        tls[field] = readFile(resolve(base, value));
      } catch {
        problems.push({
          at: ['plugins', name, 'tls', field],
          message: 'is neither PEM text nor a file that can be read',
        });
      }
    }
  }
  return problems;
}

function locate(
  { at, ...problem }: PlacedProblem,
  file: SourceFile | undefined,
  settings: readonly Setting[],
): ConfigProblem {
  const path = dotted(at);
  const blamed = settings.findLast((setting) => isPrefix(setting.path, at));
  if (blamed !== undefined) return { ...problem, path, origin: blamed.origin };
  const line = file?.lineOf(at);
  return line === undefined ? { ...problem, path } : { ...problem, path, line };
}

function isPrefix(prefix: ConfigPath, path: ConfigPath): boolean {
  return prefix.length <= path.length && prefix.every((key, i) => key === path[i]);
}
