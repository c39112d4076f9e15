// npm run bench:start --workspace host -- [--starts 15] [--plugin "COMMAND"] [--no-crash] [--json]
// Starts a host in a process of its own with one plugin, again and again: when it
// listens, when the plugin is active and how that time divides, and what the host
// holds in memory. Then kills the plugin by SIGKILL, and tells when it is back.
// Medians; the slowest in brackets.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startHost, until } from '../../scripts/testing/host-process.mjs';

const { values } = parseArgs({
  options: {
    starts: { type: 'string', default: '15' },
    plugin: { type: 'string' },
    'no-crash': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const command = values.plugin ?? [
  process.execPath,
  fileURLToPath(new URL('oracle-plugin.mjs', import.meta.url)),
];

/** One value by name. */
const samples = new Map();
const note = (name, value) => {
  if (value === undefined) return;
  samples.set(name, [...(samples.get(name) ?? []), value]);
};

for (let start = 0; start < Number(values.starts); start++) await once();
report();

async function once() {
  const startedAt = performance.now();
  const host = await startHost({ bundledPlugins: false, plugins: { measured: { command } } });
  try {
    note('host listens', performance.now() - startedAt);
    const { startup, pid } = await activeInstance(host);
    for (const [phase, ms] of Object.entries(startup)) note(`start ${phase.replace(/_ms$/, '')}`, ms);
    await pause(500);
    note('host RSS, MiB', rss(host.pid));
    if (values['no-crash']) return;
    process.kill(pid, 'SIGKILL');
    const killedAt = Date.now();
    const back = await activeInstance(host, pid);
    const events = await json(host, '/mcp/v1/events');
    crash(events.events, killedAt, back.startup);
  } finally {
    await host.stop();
  }
}

/** From the kill to the next active instance, by what it is waited for. */
function crash(events, killedAt, startup) {
  const after = events.filter(({ at, type }) => at >= killedAt - 5 && type === 'instance');
  const at = (to) => after.find((event) => event.to === to)?.at;
  note('back noticed', at('crashed') - killedAt);
  note('back explained', at('backoff') - at('crashed'));
  note('back put away', at('stopped') - at('backoff'));
  note('back back-off', at('connecting') - (startup.spawn_ms ?? 0) - at('stopped'));
  for (const [phase, ms] of Object.entries(startup)) note(`back ${phase.replace(/_ms$/, '')}`, ms);
  note('back, all in all', at('active') - killedAt);
}

async function activeInstance(host, before) {
  return until(async () => {
    const { plugins } = await json(host, '/mcp/v1/plugins');
    return plugins[0]?.instances.find(({ state, pid }) => state === 'active' && pid !== before);
  }, 'the plugin is active');
}

async function json(host, path) {
  return (await fetch(`${host.url}${path}`)).json();
}

function rss(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function report() {
  const rows = [...samples].map(([name, list]) => {
    const sorted = [...list].sort((a, b) => a - b);
    return { name, median: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) };
  });
  if (values.json) {
    console.log(JSON.stringify(rows));
    return;
  }
  for (const { name, median, max } of rows) {
    console.log(`${name.padEnd(18)} ${median.toFixed(1).padStart(8)}  (${max.toFixed(1)})`);
  }
}
