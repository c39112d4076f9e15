// The whole way, HTTP to host to plugin to upstream and back, against the upstream called directly and, where
// `npm run runtimes -- portkey` has put it, against another gateway, all in one run. Read the ratios.
// usage: node plugins/ollama/bench/path.mjs [--seconds 3] [--rounds 3] [--node PATH]
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runtime } from '../../../scripts/runtimes/locate.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const flag = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const seconds = Number(flag('seconds', 3));
const callerCounts = String(flag('callers', '1,16,64')).split(',').map(Number);
const rounds = Number(flag('rounds', 3));
const node = resolve(flag('node', process.execPath));
const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const children = [];

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.push(child);
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  return child;
}

function says(child, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    const look = (piece) => {
      text += piece;
      const found = pattern.exec(text);
      if (found) resolve(found[1]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', (code) => reject(new Error(`ended with ${code}: ${text.slice(-500)}`)));
  });
}

async function answers(url) {
  for (let tries = 0; tries < 400; tries += 1) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${url} does not answer`);
}

/** CPU seconds of a process so far. */
function cpuOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The process that runs the plugin: the host may stand a guard before it. */
function pluginOf(pid) {
  if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(node)) return pid;
  // The same process group, and the program itself.
  const group = (name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
    } catch {
      return undefined;
    }
  };
  const members = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && group(name) === pid);
  return Number(
    members.find((name) => readFileSync(`/proc/${name}/cmdline`, 'utf8').startsWith(node)) ?? pid,
  );
}

function memoryOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

function load(target, callers, kind) {
  return new Promise((resolve, reject) => {
    const child = start(process.execPath, [
      here('load.mjs'),
      target.url,
      String(callers),
      String(seconds),
      kind,
      JSON.stringify(target.headers ?? {}),
    ]);
    let out = '';
    child.stdout.on('data', (piece) => (out += piece));
    child.on('exit', () => {
      try {
        resolve(JSON.parse(out));
      } catch {
        reject(new Error(`no figures from ${target.name}`));
      }
    });
  });
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value, digits = 2) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : value);

async function hostTarget(upstreamPort) {
  const file = join(folder, 'outrigger.json');
  writeFileSync(
    file,
    JSON.stringify({
      server: { port: 0 },
      log: { level: 'warn' },
      bundledPlugins: false,
      plugins: {
        ollama: {
          command: [node, here('../dist/main.js')],
          config: { baseUrl: `http://127.0.0.1:${upstreamPort}` },
        },
      },
    }),
  );
  const startedAt = performance.now();
  const host = start(
    node,
    ['--max-semi-space-size=64', here('../../../host/dist/main.js'), 'serve', '--config', file],
    { env: { PATH: process.env.PATH, HOME: folder } },
  );
  const url = await says(host, /runs on (http:\S+)/);
  const startMs = performance.now() - startedAt;
  for (;;) {
    if (performance.now() - startedAt > 30_000) throw new Error('the plugin does not come up');
    const { data } = await (await fetch(`${url}/v1/models`)).json();
    const { plugins } = await (await fetch(`${url}/mcp/v1/plugins`)).json();
    if (data.length > 0 && plugins[0].instances.length > 0)
      return {
        name: 'outrigger',
        url: `${url}/v1/chat/completions`,
        pid: host.pid,
        plugin: pluginOf(plugins[0].instances[0].pid),
        startMs,
        idle: memoryOf(host.pid),
      };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** As many hops as host and plugin, and no work at any of them. */
async function relayTarget(upstreamPort) {
  let port = upstreamPort;
  for (let hop = 0; hop < 2; hop += 1) {
    port = await says(start(node, [here('relay.mjs'), String(port)]), /(\d+)/);
  }
  return { name: '2 relays', url: `http://127.0.0.1:${port}/v1/chat/completions` };
}

async function portkeyTarget(upstreamPort) {
  const found = runtime('portkey');
  if (found.missing !== undefined) {
    console.log(`portkey is left out: ${found.missing}`);
    return undefined;
  }
  const port = 18_000 + Math.floor(Math.random() * 10_000);
  start(process.execPath, [found.path, `--port=${port}`, '--headless'], {
    env: { PATH: process.env.PATH, HOME: folder, NODE_ENV: 'production' },
  });
  await answers(`http://127.0.0.1:${port}/`);
  return {
    name: 'portkey',
    url: `http://127.0.0.1:${port}/v1/chat/completions`,
    headers: {
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
      authorization: 'Bearer x',
    },
  };
}

try {
  const upstream = start(process.execPath, [here('upstream.mjs')]);
  const upstreamPort = await says(upstream, /(\d+)/);
  const direct = { name: 'direct', url: `http://127.0.0.1:${upstreamPort}/v1/chat/completions` };
  const relays = await relayTarget(upstreamPort);
  const ours = await hostTarget(upstreamPort);
  const targets = [direct, relays, ours, await portkeyTarget(upstreamPort)].filter(
    (one) => one !== undefined,
  );
  console.log(
    `${execFileSync(node, ['--version']).toString().trim()}, ${cpus().length} cores; host listens after ${round(ours.startMs, 0)} ms, idle ${round(ours.idle, 0)} MB`,
  );
  // Code that has run a few thousand times is what users meet; before that it is the compiler that is measured.
  for (const target of targets) for (const kind of ['whole', 'stream']) await load(target, 64, kind);
  const rows = [];
  for (const kind of ['whole', 'stream']) {
    for (const callers of callerCounts) {
      const figures = new Map(targets.map(({ name }) => [name, []]));
      for (let turn = 0; turn < rounds; turn += 1) {
        for (const target of targets) {
          const before = target.pid === undefined ? undefined : [cpuOf(target.pid), cpuOf(target.plugin)];
          const figure = await load(target, callers, kind);
          if (before !== undefined) {
            // The warm-up second is served too.
            const served = figure.perSecond * (seconds + 1);
            figure.hostMicros = ((cpuOf(target.pid) - before[0]) / served) * 1e6;
            figure.pluginMicros = ((cpuOf(target.plugin) - before[1]) / served) * 1e6;
          }
          figures.get(target.name).push(figure);
        }
      }
      const of = (name, key) =>
        median((figures.get(name) ?? []).map((figure) => figure[key]).filter((value) => value !== undefined));
      for (const { name } of targets) {
        rows.push({
          kind,
          callers,
          target: name,
          'per second': round(of(name, 'perSecond'), 0),
          'p50 ms': round(of(name, 'p50'), 3),
          'p99 ms': round(of(name, 'p99'), 1),
          'first ms': round(of(name, 'first50'), 3),
          'added p50 ms': name === 'direct' ? '' : round(of(name, 'p50') - of('direct', 'p50'), 3),
          'x portkey':
            figures.has('portkey') && name === 'outrigger'
              ? round(of(name, 'perSecond') / of('portkey', 'perSecond'), 1)
              : '',
          failed: figures.get(name).reduce((sum, figure) => sum + figure.failed, 0),
          'host us': name === 'outrigger' ? round(of(name, 'hostMicros'), 0) : '',
          'plugin us': name === 'outrigger' ? round(of(name, 'pluginMicros'), 0) : '',
        });
      }
    }
  }
  console.table(rows);
  console.log(
    `memory after the load: host ${round(memoryOf(ours.pid), 0)} MB, plugin ${round(memoryOf(ours.plugin), 0)} MB`,
  );
} finally {
  for (const child of children) child.kill('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
