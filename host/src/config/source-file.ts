import { isAbsolute, join, resolve } from 'node:path';
import type * as Yaml from 'yaml';
import type { Document, Node } from 'yaml';
import { ConfigError } from './config-error.js';
import { isTree, type ConfigPath, type Tree } from './paths.js';

const largestFile = 1024 * 1024;

/** Where configuration may be found. Nothing is read from the process itself. */
export interface FileSearch {
  /** Path given by flag. */
  readonly flag?: string | undefined;
  /** Path given by environment. */
  readonly variable?: string | undefined;
  readonly cwd: string;
  /** `$XDG_CONFIG_HOME`, or `~/.config`; undefined skips the place. */
  readonly configHome?: string | undefined;
  /** Reads a file as text; throws with `code: 'ENOENT'` when there is none. */
  readonly readFile: (path: string) => string;
}

/** A parsed file and its positions. */
export interface SourceFile {
  readonly path: string;
  /** Nothing stands in it, as while a program writes it anew. */
  readonly empty: boolean;
  readonly tree: Tree;
  /** Line of the value (or its key) at a path, or of the nearest one around it. */
  lineOf(path: ConfigPath): number | undefined;
  /** Whether the scalar at a path stands without quotes. */
  isUnquoted(path: ConfigPath): boolean;
}

/** The first file there is: flag, environment, working directory, home. A file that was named must exist. */
export async function findSourceFile(search: FileSearch): Promise<SourceFile | undefined> {
  const named = search.flag ?? (search.variable === '' ? undefined : search.variable);
  if (named !== undefined) {
    const path = isAbsolute(named) ? named : resolve(search.cwd, named);
    const text = readIfThere(search, path);
    if (text === undefined) {
      const hint = 'create it, or leave the name away to use the defaults';
      throw new ConfigError([{ path: '', message: 'there is no such file', hint }], path);
    }
    return parseSourceFile(path, text);
  }
  const places = ['outrigger.yaml', 'outrigger.yml', 'outrigger.json'].map((name) => join(search.cwd, name));
  if (search.configHome !== undefined) places.push(join(search.configHome, 'outrigger', 'config.yaml'));
  for (const path of places) {
    const text = readIfThere(search, path);
    if (text !== undefined) return parseSourceFile(path, text);
  }
  return undefined;
}

function readIfThere(search: FileSearch, path: string): string | undefined {
  try {
    return search.readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ConfigError(
      [{ path: '', message: `cannot be read (${code ?? String(error)})`, hint: 'check its permissions' }],
      path,
    );
  }
}

/** Parses YAML or JSON. Throws a ConfigError that names the line. */
export async function parseSourceFile(path: string, text: string): Promise<SourceFile> {
  if (text.length > largestFile) {
    throw new ConfigError(
      [{ path: '', message: `is larger than ${largestFile} bytes`, hint: 'this is hardly a configuration' }],
      path,
    );
  }
  const body = text.replace(/^\uFEFF/, '');
  // Loaded only where there is a file, as it takes a while.
  const yaml = await import('yaml');
  const { LineCounter, parseDocument } = yaml;
  const counter = new LineCounter();
  // JSON is YAML as well, which gives it positions and lets it carry comments.
  const document = parseDocument(body, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.slice(0, 20).map((error) => {
        const { line } = counter.linePos(error.pos[0]);
        const reference = body.split('\n')[line - 1]?.includes('${') === true;
        const hint = reference ? { hint: 'inside { } and [ ] a reference needs quotes: "${NAME}"' } : {};
        return { path: '', message: firstLine(error.message), line, ...hint };
      }),
      path,
    );
  }
  const tree = toTree(document, path);
  return {
    path,
    empty: body.trim() === '',
    tree,
    lineOf: (at) => {
      const offset = nodesAt(yaml, document, at).offset;
      return offset === undefined ? undefined : counter.linePos(offset).line;
    },
    isUnquoted: (at) => {
      const { node } = nodesAt(yaml, document, at);
      return yaml.isScalar(node) && node.type === 'PLAIN';
    },
  };
}

function toTree(document: Document.Parsed, path: string): Tree {
  let value: unknown;
  try {
    // The limit stops files that grow without bound through aliases.
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigError([{ path: '', message: firstLine(String(error)) }], path);
  }
  if (value === null || value === undefined) return {};
  if (isTree(value)) return value;
  throw new ConfigError(
    [
      {
        path: '',
        message: 'must hold options by name',
        line: 1,
        hint: 'for example `server: { port: 7070 }`',
      },
    ],
    path,
  );
}

const firstLine = (message: string) => message.split('\n', 1)[0] ?? message;

function nodesAt(
  { isMap, isScalar, isSeq }: typeof Yaml,
  document: Document.Parsed,
  path: ConfigPath,
): { offset?: number; node?: Node } {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0];
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return offset === undefined ? {} : { offset };
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node) && typeof key === 'number') {
      node = (node.items[key] ?? null) as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else {
      return offset === undefined ? {} : { offset };
    }
  }
  return { ...(offset === undefined ? {} : { offset }), ...(node === null ? {} : { node }) };
}
