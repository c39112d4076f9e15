// npm run bench:kill -- [--kills 10] [--callers 8] [--json]
// Two plugins under the same load; one is killed with SIGKILL again and again. Prints what the callers of the
// other one felt of it (latency in the second after a kill against all other times), how the calls of the killed
// one ended, and how long it was away. Exits with 0 when no call of the other plugin failed and no call was lost.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { GenerateRequest } from '@outrigger/proto';
import { parseConfig } from '../dist/config/schema.js';
import { createEngineRoom } from '../dist/engine-room.js';
import { check } from './oracle.mjs';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '10' },
    callers: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const afterKillMs = 1000;
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const command = [process.execPath, fileURLToPath(new URL('oracle-plugin.mjs', import.meta.url))];
const restart = { minDelayMs: 100, maxDelayMs: 1000 };
const room = await createEngineRoom(
  parseConfig({
    plugins: {
      victim: { command, env: { ORACLE_NAME: 'victim' }, restart },
      other: { command, env: { ORACLE_NAME: 'other' }, restart },
    },
  }),
  process.env,
  silent,
);

const active = (name) => room.registry.get(name)?.active;
const tally = {
  other: { whole: 0, failed: {}, latencies: [] },
  victim: { whole: 0, failed: {}, latencies: [] },
};
let over = false;
let seed = 0;

async function once(name) {
  const mine = (seed += 1);
  const startedAt = performance.now();
  const { failed, latencies } = tally[name];
  try {
    const generation = await room.router.generate(
      {
        model: `${name}/oracle`,
        request: GenerateRequest.create({ prompt: `${mine} 3 1` }),
        parameters: new Map(),
      },
      {
        requestId: `${name}-${mine}`,
        door: 'rest',
        signal: AbortSignal.timeout(30_000),
        strictParams: false,
        traceparent: '',
        receivedAt: startedAt,
      },
    );
    const text = await new Promise((resolve, reject) => {
      let said = '';
      generation.attach({
        events: (events) => {
          for (const { event } of events) if (event.$case === 'delta') said += event.value.kind.value;
        },
        complete: () => resolve(said),
        fail: reject,
      });
    });
    const { wrong } = check(text, mine, 3);
    if (wrong !== undefined) failed.wrong = (failed.wrong ?? 0) + 1;
    else tally[name].whole += 1;
  } catch (error) {
    const kind = error.kind ?? error.message;
    failed[kind] = (failed[kind] ?? 0) + 1;
    // Fail-fast answers would otherwise be a storm of their own.
    await sleep(20);
  }
  latencies.push([startedAt, performance.now() - startedAt]);
}

const caller = async (name) => {
  while (!over) await once(name);
};

async function until(condition, what, ms = 30_000) {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not happen within ${ms} ms`);
    await sleep(2);
  }
}

const quantile = (list, share) => {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
};
const figures = (list) => ({ calls: list.length, p50: quantile(list, 0.5), p99: quantile(list, 0.99) });

const killedAt = [];
const away = [];
const beyond = [];
room.start();
await until(() => active('victim') !== undefined && active('other') !== undefined, 'a start');
await room.models.refresh();
const callers = Array.from({ length: 2 * Number(values.callers) }, (_, index) =>
  caller(index % 2 === 0 ? 'other' : 'victim'),
);
for (let index = 0; index < kills; index += 1) {
  await sleep(2 * afterKillMs);
  const { pid, instanceId } = active('victim');
  killedAt.push(performance.now());
  process.kill(pid, 'SIGKILL');
  const at = performance.now();
  const wallAt = Date.now();
  await until(() => active('victim') === undefined, 'the end of a killed plugin');
  // When the next start is due is known once the reason of the end is.
  let backOff = 0;
  await until(() => {
    const { retryAt } = room.registry.get('victim').status;
    if (retryAt !== undefined) backOff = Math.max(backOff, retryAt - wallAt);
    return active('victim') !== undefined && active('victim').instanceId !== instanceId;
  }, 'the return of a killed plugin');
  away.push(performance.now() - at);
  beyond.push(performance.now() - at - backOff);
}
await sleep(afterKillMs);
over = true;
await Promise.all(callers);
await room.close(5000);

const near = [];
const far = [];
for (const [at, ms] of tally.other.latencies) {
  (killedAt.some((kill) => at + ms >= kill && at <= kill + afterKillMs) ? near : far).push(ms);
}
const [steady, afterKill] = [figures(far), figures(near)];
const lost = [tally.other, tally.victim].some(({ failed }) => 'wrong' in failed);
const result = {
  ok: Object.keys(tally.other.failed).length === 0 && !lost,
  kills,
  other: {
    whole: tally.other.whole,
    failed: tally.other.failed,
    steadyMs: steady,
    afterKillMs: afterKill,
    p99Ratio: afterKill.p99 / steady.p99,
  },
  victim: {
    whole: tally.victim.whole,
    failed: tally.victim.failed,
    awayMs: { p50: quantile(away, 0.5), max: Math.max(...away) },
    beyondBackoffMs: { p50: quantile(beyond, 0.5), max: Math.max(...beyond) },
  },
};
if (values.json) console.log(JSON.stringify(result));
else console.dir(result, { depth: 5 });
process.exitCode = result.ok ? 0 : 1;
