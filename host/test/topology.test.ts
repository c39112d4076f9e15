import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** What each package of the workspace may import of the others. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  'sdk-plugin': ['@outrigger/proto'],
  host: ['@outrigger/proto'],
  conformance: ['@outrigger/proto'],
  'plugins/*': ['@outrigger/sdk-plugin', '@outrigger/proto'],
  'examples/*': ['@outrigger/sdk-plugin', '@outrigger/proto'],
};

/**
 * Inside the host: what the files of a folder may import of other folders. The
 * way of a request is doors, router, registry; the others are leaves. Files at
 * the top put things together and may import all.
 */
const insideHost: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  config: [],
  gate: ['errors'],
  telemetry: ['errors', 'config'],
  registry: ['errors', 'telemetry', 'config', 'reflection'],
  reflection: ['errors', 'telemetry', 'registry'],
  router: ['errors', 'telemetry', 'config', 'registry'],
  admin: ['errors', 'telemetry', 'registry', 'router', 'config'],
  doors: ['errors', 'telemetry', 'config', 'router'],
  cli: ['errors', 'config', 'doors'],
};

/** The gRPC library and the MCP SDKs stay where they are. */
const fenced: readonly { readonly pattern: RegExp; readonly allowed: RegExp }[] = [
  {
    pattern: /^@grpc\//,
    allowed: /^(host\/src\/registry\/grpc-transport\.ts|sdk-plugin\/|plugins\/triton\/|conformance\/)/,
  },
  { pattern: /^grpc-health-check$/, allowed: /^(sdk-plugin|conformance)\// },
  { pattern: /^@modelcontextprotocol\//, allowed: /^host\/src\/doors\/mcp\// },
  { pattern: /^express$/, allowed: /^host\/src\/doors\// },
];

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function sources(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(join(root, folder));
  } catch {
    return [];
  }
  return names
    .filter((name) => !['node_modules', 'dist', 'gen', '.cache'].includes(name))
    .flatMap((name) => {
      const path = join(folder, name);
      if (statSync(join(root, path)).isDirectory()) return sources(path);
      return name.endsWith('.ts') ? [path] : [];
    });
}

/** All files of a folder that are written by hand. */
function everything(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => !['node_modules', 'dist'].includes(name))
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(join(root, path)).isDirectory() ? everything(path) : [path];
    });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g);
  return [...found].map((match) => ({ file, specifier: match[1] ?? '' }));
}

function packageOf(file: string): string {
  const [first = '', second = ''] = file.split('/');
  return first === 'plugins' || first === 'examples' ? `${first}/${second}` : first;
}

const packages = ['proto', 'sdk-plugin', 'host', 'plugins', 'conformance', 'examples'];
const all = packages.flatMap(sources).flatMap(importsOf);
const inProduct = all.filter(({ file }) => !/(\.test\.ts$|\/test\/|\/testing\/|\/bench\/)/.test(file));

describe('imports', () => {
  it('are found at all', () => {
    expect(inProduct.length).toBeGreaterThan(300);
  });

  it('between packages follow the architecture', () => {
    const wrong = inProduct.filter(({ file, specifier }) => {
      if (!specifier.startsWith('@outrigger/')) return false;
      const own = packageOf(file);
      const allowed = mayImport[own] ?? mayImport[`${own.split('/')[0] ?? ''}/*`] ?? [];
      return !allowed.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    });
    expect(wrong).toEqual([]);
  });

  it('name only packages that are declared', () => {
    const wrong = inProduct.filter(({ file, specifier }) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) return false;
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      const manifest = JSON.parse(
        readFileSync(join(root, packageOf(file), 'package.json'), 'utf8'),
      ) as Record<string, Record<string, string> | undefined>;
      return !['dependencies', 'optionalDependencies', 'peerDependencies'].some(
        (kind) => name in (manifest[kind] ?? {}),
      );
    });
    expect(wrong).toEqual([]);
  });

  it('never leave a package by a relative path', () => {
    const wrong = all.filter(
      ({ file, specifier }) =>
        specifier.startsWith('.') &&
        relative(join(root, packageOf(file)), join(root, dirname(file), specifier)).startsWith('..') &&
        !/scripts\/(runtimes|testing)\//.test(specifier),
    );
    expect(wrong).toEqual([]);
  });

  it('inside the host go from doors to router to registry', () => {
    const wrong = inProduct.filter(({ file, specifier }) => {
      const [, from = ''] = /^host\/src\/([^/]+)\//.exec(file) ?? [];
      if (from === '' || !specifier.startsWith('.')) return false;
      const target = relative('host/src', join(dirname(file), specifier));
      const to = target.includes('/') ? (target.split('/')[0] ?? '') : '';
      return to !== '' && to !== from && !(insideHost[from] ?? []).includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it.each(fenced)('of $pattern stay where they belong', ({ pattern, allowed }) => {
    const wrong = inProduct.filter(({ file, specifier }) => pattern.test(specifier) && !allowed.test(file));
    expect(wrong).toEqual([]);
  });
});

describe('the host', () => {
  const runtimes =
    /\b(ollama|llama|llamacpp|gguf|triton|kserve|tensor|nvidia|vllm|anthropic|gemini|mistral|huggingface)/i;

  it('names no runtime and no vendor', () => {
    const files = everything('host').filter((file) => !file.endsWith('topology.test.ts'));
    expect(files.length).toBeGreaterThan(150);
    const naming = files.flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, index) => (runtimes.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    );
    expect(naming).toEqual([]);
  });
});
