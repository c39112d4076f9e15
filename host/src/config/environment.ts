import { coerce } from './coerce.js';
import { nearest } from './nearest.js';
import { kindAt, listOptions } from './options.js';
import type { ConfigProblem } from './config-error.js';
import type { ConfigPath } from './paths.js';

/** A value for one option that comes from outside the file. */
export interface Setting {
  readonly path: ConfigPath;
  readonly value: unknown;
  /** The variable or flag it comes from, for messages. */
  readonly origin: string;
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable without our prefix that people and platforms set all the same. */
export interface ShortName {
  readonly name: string;
  readonly path: readonly string[];
  /** Turns the text; undefined leaves the variable unused. */
  readonly read?: (text: string) => unknown;
  readonly note: string;
}

const isAddress = (text: string) =>
  text === 'localhost' || text.includes(':') || /^\d+(\.\d+){3}$/.test(text);

/** Later rows win over earlier ones. */
export const shortNames: readonly ShortName[] = [
  { name: 'MCP_SERVER_HOST', path: ['server', 'host'], note: 'Address to listen on.' },
  { name: 'MCP_SERVER_PORT', path: ['server', 'port'], note: 'Port to listen on.' },
  {
    name: 'HOST',
    path: ['server', 'host'],
    read: (text) => (isAddress(text) ? text : undefined),
    note: 'Address to listen on. Used only when it is an IP address or `localhost`, because some shells put the name of the machine there.',
  },
  { name: 'PORT', path: ['server', 'port'], note: 'Port to listen on, as hosting platforms set it.' },
  {
    name: 'LOG_LEVEL',
    path: ['log', 'level'],
    read: (text) => text.toLowerCase(),
    note: 'Least severe level that is written.',
  },
  { name: 'DEFAULT_MODEL', path: ['models', 'default'], note: 'Model for requests that name none.' },
  {
    name: 'TIMEOUT',
    path: ['server', 'requestTimeoutMs'],
    read: (text) => (/^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1000) : text),
    note: 'Longest time one request may take, in **seconds**.',
  },
  {
    name: 'MAX_CONCURRENT_REQUESTS',
    path: ['server', 'maxInFlight'],
    note: 'Requests served at the same time.',
  },
];

const prefix = 'OUTRIGGER_';
/** Names with our prefix that are no options: where the file is, and where the commands find a running host. */
export const reservedNames = [
  'OUTRIGGER_CONFIG',
  'OUTRIGGER_URL',
  'OUTRIGGER_API_KEY',
  'OUTRIGGER_ADMIN_KEY',
  'OUTRIGGER_DEBUG',
] as const;

const snake = (key: string) => key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();

/** The environment variable of an option: `server.maxBodyBytes` is `OUTRIGGER_SERVER__MAX_BODY_BYTES`. */
export function variableName(path: readonly string[]): string {
  return prefix + path.map((key) => (key === '*' ? '<NAME>' : snake(key))).join('__');
}

/** Reads every option that the environment sets. Variables set to nothing count as absent. */
export function settingsFromEnvironment(env: Environment): {
  settings: Setting[];
  problems: ConfigProblem[];
  warnings: string[];
} {
  const settings: Setting[] = [];
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  for (const { name, path, read } of shortNames) {
    const text = env[name];
    if (text === undefined || text.trim() === '') continue;
    const value = read === undefined ? text : read(text.trim());
    if (value === undefined)
      warnings.push(`${name}=${text.slice(0, 80)} is no address to listen on; it is not used`);
    else settings.push(setting(path, value, name));
  }

  const options = listOptions().filter(({ path }) => path[0] !== '$schema');
  const names = options.map(({ path }) => variableName(path));
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith(prefix) || text === undefined || text.trim() === '') continue;
    if ((reservedNames as readonly string[]).includes(name)) continue;
    const parts = name.slice(prefix.length).split('__');
    const option = options.find(
      ({ path }) =>
        path.length === parts.length && path.every((key, i) => key === '*' || snake(key) === parts[i]),
    );
    if (option !== undefined) {
      const path = option.path.map((key, i) => (key === '*' ? pluginNameOf(parts[i] ?? '') : key));
      settings.push(setting(path, text, name));
      continue;
    }
    const near = abbreviated(parts, options) ?? nearest(name, [...names, ...reservedNames]);
    // Two underscores in a row are our own habit, so this was meant for us. Others
    // may share the prefix: Kubernetes sets OUTRIGGER_PORT for a service of our name.
    if (parts.length > 1) {
      problems.push({
        path: '',
        message: 'unknown option',
        origin: `environment variable ${name}`,
        hint: near === undefined ? '`outrigger config schema` lists all options' : `did you mean ${near}?`,
      });
    } else if (near !== undefined) {
      warnings.push(`the environment variable ${name} is no option and is not used; did you mean ${near}?`);
    }
  }
  return { settings, problems, warnings };
}

/** `OUTRIGGER_PORT` names the last part of one option alone: of `server.port`. */
function abbreviated(
  parts: readonly string[],
  options: readonly { readonly path: readonly string[] }[],
): string | undefined {
  if (parts.length !== 1) return undefined;
  const meant = options.filter(({ path }) => !path.includes('*') && snake(path.at(-1) ?? '') === parts[0]);
  return meant.length === 1 ? variableName(meant[0]?.path ?? []) : undefined;
}

function pluginNameOf(part: string): string {
  return part.toLowerCase().replaceAll('_', '-');
}

function setting(path: ConfigPath, value: unknown, name: string): Setting {
  return {
    path,
    value: typeof value === 'string' ? coerce(value, kindAt(path)) : value,
    origin: `environment variable ${name}`,
  };
}
