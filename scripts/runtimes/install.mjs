// npm run runtimes [-- [--list] [name…]]: puts the real runtimes that tests and benchmarks use into a cache folder.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot, forgetEntry, lock, readEntry, recordEntry } from './support/cache.mjs';
import { run as runCommand } from './support/command.mjs';
import { selectParts, parts } from './parts/index.mjs';

const AT_ONCE = 2; // Compilers use every core by themselves.

const USAGE = `Usage: npm run runtimes [-- [--list] [--json] [name…]]

Installs the real runtimes for tests and benchmarks into .cache/runtimes (or $OUTRIGGER_RUNTIMES).
Without names: all of them. What is there already is kept.

  --list   say what is there and where; install nothing
  --json   the same as JSON on stdout

Names: ${parts.map((part) => part.name).join(', ')}
`;

const root = cacheRoot();
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => stop.abort());

const commandFor = (name) => (command, args, options) =>
  runCommand(command, args, { log: join(root, 'logs', `${name}.log`), signal: stop.signal, ...options });

const keyOf = (part) => `${part.pin} @ ${root}`;
const tell = (name, text) => process.stderr.write(`${name.padEnd(14)} ${text}\n`);
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** The recorded entry when the part is there, made by this recipe, and answers; otherwise undefined. */
async function present(part) {
  const entry = readEntry(root, part.name);
  if (entry === undefined || entry.key !== keyOf(part) || !existsSync(entry.path)) return undefined;
  try {
    await part.probe(entry, (command, args, options) =>
      runCommand(command, args, { signal: stop.signal, ...options }),
    );
    return entry;
  } catch {
    return undefined;
  }
}

/** Installs one part unless it is there. Resolves with its entry. */
async function provide(part, entries) {
  const there = await present(part);
  if (there) return there;
  const release = await lock(root, part.name, { signal: stop.signal });
  try {
    const meanwhile = await present(part); // Another installer may have done it while we waited.
    if (meanwhile) return meanwhile;
    tell(part.name, 'installing');
    const since = performance.now();
    forgetEntry(root, part.name);
    const run = commandFor(part.name);
    const made = await part.install({ root, run, entries, signal: stop.signal });
    const version = await part.probe(made, run);
    const entry = { ...made, version, key: keyOf(part) };
    const done = await lock(root, 'manifest', { signal: stop.signal });
    try {
      recordEntry(root, part.name, entry);
    } finally {
      await done();
    }
    tell(part.name, `installed ${version} in ${seconds(since)}`);
    return entry;
  } finally {
    await release();
  }
}

/** Provides all chosen parts, a few at a time, each after the ones it needs. Resolves with one result per part. */
async function provideAll(chosen) {
  const entries = {};
  const started = new Map();
  let free = AT_ONCE;
  const waiting = [];
  const turn = async (work) => {
    if (free === 0) await new Promise((go) => waiting.push(go));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
  const start = (part) => {
    if (!started.has(part.name)) started.set(part.name, attempt(part));
    return started.get(part.name);
  };
  const attempt = async (part) => {
    const reason = part.unavailable?.();
    if (reason) return { part, state: 'unavailable', reason };
    for (const name of part.needs ?? []) {
      const needed = await start(parts.find((other) => other.name === name));
      if (needed.state !== 'ready')
        return { part, state: needed.state, reason: `needs ${name}: ${needed.reason}` };
    }
    try {
      const entry = await turn(() => provide(part, entries));
      entries[part.name] = entry;
      return { part, state: 'ready', entry };
    } catch (error) {
      return { part, state: 'failed', reason: error.message };
    }
  };
  return Promise.all(chosen.map(start));
}

async function inspectAll(chosen) {
  return Promise.all(
    chosen.map(async (part) => {
      const entry = await present(part);
      if (entry) return { part, state: 'ready', entry };
      const reason = part.unavailable?.();
      return reason
        ? { part, state: 'unavailable', reason }
        : { part, state: 'absent', reason: `install with: npm run runtimes -- ${part.name}` };
    }),
  );
}

function describe({ part, state, entry, reason }) {
  if (state === 'ready') return `${part.name.padEnd(14)} ${entry.version.padEnd(36)} ${entry.path}`;
  const words = { unavailable: 'not available here: ', failed: 'FAILED: ', absent: 'not installed; ' };
  return `${part.name.padEnd(14)} ${words[state]}${reason}`;
}

async function main(args) {
  const flags = args.filter((arg) => arg.startsWith('-'));
  if (flags.includes('--help') || flags.includes('-h')) return void process.stdout.write(USAGE);
  const unknown = flags.find((flag) => !['--list', '--json'].includes(flag));
  if (unknown) throw new Error(`unknown option ${unknown}\n\n${USAGE}`);
  const names = args.filter((arg) => !arg.startsWith('-'));
  const chosen = selectParts(names);
  const since = performance.now();
  mkdirSync(join(root, 'logs'), { recursive: true });
  const list = flags.includes('--list');
  const results = await (list ? inspectAll(chosen) : provideAll(chosen));
  if (flags.includes('--json')) {
    const rows = results.map(({ part, state, entry, reason }) => ({
      name: part.name,
      state,
      ...(entry ? { path: entry.path, version: entry.version } : { reason }),
    }));
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
  } else {
    process.stdout.write(`${results.map(describe).join('\n')}\n`);
  }
  if (list) return;
  tell('runtimes', `done in ${seconds(since)}, in ${root}`);
  // A part that this machine cannot have is a fault only when it was asked for by name.
  const bad = results.filter(
    ({ state }) => state === 'failed' || (state === 'unavailable' && names.length > 0),
  );
  if (bad.length > 0) process.exitCode = 1;
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
