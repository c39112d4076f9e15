// Where is a real runtime? Tests ask here, and skip with the reason when there is none.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cacheRoot, readManifest } from './support/cache.mjs';
import { which } from './support/command.mjs';

/** Runtimes that count when they are only on PATH. The others need versions or folders that PATH cannot tell. */
const ON_PATH = ['llama-server', 'ollama', 'ghz', 'tritonserver', 'mlserver'];

const located = new Map();

function versionOf(path) {
  // No running Ollama is asked: the version of the program is meant.
  const env = { ...process.env, OLLAMA_HOST: '127.0.0.1:1' };
  const { stdout, stderr } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000, env });
  return /v?(\d+\.\d+[\w.+-]*)/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? 'unknown';
}

function locate(name) {
  const entry = readManifest(cacheRoot())[name];
  if (entry && existsSync(entry.path)) return entry;
  const path = ON_PATH.includes(name) ? which(name) : undefined;
  if (path) return { path, version: versionOf(path) };
  const cached = entry ? `its file ${entry.path} is gone` : 'it is not installed';
  return { missing: `${name}: ${cached}; install with: npm run runtimes -- ${name}` };
}

/**
 * The runtime from the cache of `npm run runtimes`, else from PATH, else the reason why there is none.
 * @see locate.d.mts for the names and the shape
 */
export function runtime(name) {
  if (!located.has(name)) located.set(name, locate(name));
  return located.get(name);
}
