// How soon a host is ready and how much memory it takes while nobody asks: bare, with plugins, after the first MCP client,
// after some traffic; with the flags of V8 that are in question. Prints medians; nothing is asserted.
//   npm run bench:idle --workspace host -- [--runs 3] [--settle SECONDS] [--json]
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    settle: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const settleMs = Number(values.settle) * 1000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Settings of V8 under test. The last one is what a loaded host wants. */
const flagSets = [[], ['--max-semi-space-size=16'], ['--max-semi-space-size=64']];

const memory = (pid) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024;
  return { rss: of('VmRSS'), anonymous: of('RssAnon') };
};

/** What a node that does nothing takes. */
async function bareNode(flags) {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...flags, '-e', 'console.log(1); setInterval(() => {}, 1e6)'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const readyMs = performance.now() - startedAt;
  await sleep(500);
  const { rss } = memory(child.pid);
  child.kill('SIGKILL');
  return { readyMs, rss };
}

async function oneHost(flags) {
  const folder = await mkdtemp(join(tmpdir(), 'idle-'));
  const file = join(folder, 'outrigger.json');
  const plugins = { oracle: { command: [process.execPath, here('./oracle-plugin.mjs')] } };
  await writeFile(file, JSON.stringify({ bundledPlugins: false, server: { port: 0 }, plugins }));
  const startedAt = performance.now();
  const host = spawn(process.execPath, [...flags, here('../dist/main.js'), 'serve', '--config', file], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    let log = '';
    host.stderr.on('data', (chunk) => (log += chunk));
    host.stdout.resume();
    let url;
    while (url === undefined) {
      await sleep(2);
      url = /"url":"(http:[^"]+)"/.exec(log)?.[1];
      if (host.exitCode !== null) throw new Error(`the host ended:\n${log}`);
    }
    const readyMs = performance.now() - startedAt;
    while (!(await fetch(`${url}/readyz`)).ok) await sleep(10);
    const pluginMs = performance.now() - startedAt;
    const started = memory(host.pid);
    // The engine gives back what the start took when nothing has happened for a while.
    await sleep(settleMs);
    const idle = memory(host.pid);
    const firstMcp = await firstMcpClient(url);
    const secondMcp = await firstMcpClient(url);
    await sleep(1000);
    const withMcp = memory(host.pid);
    for (let round = 0; round < 40; round++) await Promise.all(Array.from({ length: 50 }, () => ask(url)));
    const busy = memory(host.pid);
    await sleep(settleMs);
    const after = memory(host.pid);
    return {
      readyMs,
      pluginMs,
      started: started.rss,
      idle: idle.rss,
      idleAnonymous: idle.anonymous,
      firstMcpMs: firstMcp,
      secondMcpMs: secondMcp,
      withMcp: withMcp.rss,
      busy: busy.rss,
      after: after.rss,
    };
  } finally {
    host.kill('SIGTERM');
    await new Promise((resolve) => (host.exitCode === null ? host.once('exit', resolve) : resolve()));
    await rm(folder, { recursive: true, force: true });
  }
}

async function firstMcpClient(url) {
  const startedAt = performance.now();
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'bench', version: '1' },
      },
    }),
  });
  await response.text();
  return performance.now() - startedAt;
}

async function ask(url) {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'oracle/oracle', prompt: '1 5' }),
  });
  await response.text();
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

async function measure(name, flags, one) {
  const all = [];
  for (let run = 0; run < runs; run++) all.push(await one(flags));
  const result = Object.fromEntries(
    Object.keys(all[0]).map((key) => [key, median(all.map((each) => each[key]))]),
  );
  return { name, flags: flags.join(' ') || '(none)', ...result };
}

const results = [await measure('node alone', [], bareNode)];
for (const flags of flagSets) results.push(await measure('host', flags, oneHost));
if (values.json) console.log(JSON.stringify(results, null, 2));
else {
  const [node, ...hosts] = results;
  const mb = (value) => `${value.toFixed(0)} MB`;
  const ms = (value) => `${value.toFixed(0)} ms`;
  console.log(
    `Node ${process.version}, medians of ${runs} runs. Node alone: ready in ${ms(node.readyMs)}, ${mb(node.rss)}.\n`,
  );
  const rows = hosts.map((one) => ({
    flags: one.flags,
    listens: ms(one.readyMs),
    '× node': (one.readyMs / node.readyMs).toFixed(1),
    'plugin ready': ms(one.pluginMs),
    started: mb(one.started),
    idle: mb(one.idle),
    'idle, own': mb(one.idleAnonymous),
    'first MCP': ms(one.firstMcpMs),
    'next MCP': ms(one.secondMcpMs),
    'with MCP': mb(one.withMcp),
    'after 2,000': mb(one.busy),
    'and idle': mb(one.after),
  }));
  console.table(rows);
}
