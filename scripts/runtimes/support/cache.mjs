// The folder that holds the installed runtimes, its manifest, and the lock that lets installers run side by side.
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { which } from './command.mjs';

/** `$OUTRIGGER_RUNTIMES`, or `.cache/runtimes` of this repository. Always absolute. */
export function cacheRoot(env = process.env) {
  return resolve(env.OUTRIGGER_RUNTIMES || join(import.meta.dirname, '../../../.cache/runtimes'));
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // Absent, or cut short by a kill: the part is installed again.
  }
}

function writeAtomically(file, text) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}

/** `{ name: { path, version, … } }` of everything installed in `root`; empty when nothing is. */
export function readManifest(root) {
  return readJson(join(root, 'manifest.json')) ?? {};
}

/** What was recorded about one part, or undefined. */
export function readEntry(root, name) {
  return readJson(join(root, 'entries', `${name}.json`));
}

/** Forgets a part before it is installed again, so that a killed installer leaves no entry that lies. */
export function forgetEntry(root, name) {
  rmSync(join(root, 'entries', `${name}.json`), { force: true });
}

/** Records a part, and rewrites the manifest from all recorded parts. Call it under the lock `manifest`. */
export function recordEntry(root, name, entry) {
  const folder = join(root, 'entries');
  mkdirSync(folder, { recursive: true });
  writeAtomically(join(folder, `${name}.json`), JSON.stringify(entry, undefined, 2));
  const manifest = {};
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json')) continue;
    const { key: _key, ...shown } = readJson(join(folder, file)) ?? {};
    if (shown.path !== undefined) manifest[file.slice(0, -5)] = shown;
  }
  writeAtomically(join(root, 'manifest.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** Makes `bin/<name>` a link to `target`. */
export function linkBinary(root, name, target) {
  const folder = join(root, 'bin');
  mkdirSync(folder, { recursive: true });
  const draft = join(folder, `.${name}.${process.pid}`);
  rmSync(draft, { force: true });
  symlinkSync(target, draft);
  renameSync(draft, join(folder, name));
}

/**
 * Holds an exclusive lock between processes. flock(1) keeps it in a child that ends with our stdin, so the lock
 * is free again however this process ends. Without flock (not a Linux machine) there is no lock.
 * @returns a function that releases the lock
 */
export async function lock(root, name, { seconds = 1800, signal } = {}) {
  const flock = which('flock');
  if (flock === undefined) return async () => undefined;
  const folder = join(root, 'locks');
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
  const child = spawn(flock, ['--exclusive', '--timeout', String(seconds), join(folder, name), 'cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise((done) => child.once('close', done));
  child.stdin.on('error', () => undefined);
  const abort = () => child.stdin.end();
  signal?.addEventListener('abort', abort, { once: true });
  await new Promise((held, failed) => {
    child.once('error', failed);
    child.stdout.once('data', held); // cat echoes: flock let it start.
    void ended.then(() => failed(new Error(`another installer held the lock "${name}" for ${seconds} s`)));
    child.stdin.write('held\n');
  });
  return async () => {
    signal?.removeEventListener('abort', abort);
    child.stdin.end();
    await ended;
  };
}
