// Swaps a real plugin under load and accounts for every call and every stream.
import { readdirSync, readFileSync, readlinkSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { GenerateRequest } from '@outrigger/proto';
import { parseConfig } from '../dist/config/schema.js';
import { createEngineRoom } from '../dist/engine-room.js';
import { check } from './oracle.mjs';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const multiplex = 'outrigger.plugin.v1.Multiplex';
const plugin = fileURLToPath(new URL('oracle-plugin.mjs', import.meta.url));

/** Runs the load; `options` are callers, streams, swaps, calls, streamMs, drain, plain, onProgress. */
export async function runSwapLoad(options) {
  const {
    callers,
    streams,
    swaps,
    calls,
    streamMs = 10_000,
    drain = true,
    plain = false,
    onProgress = () => {},
  } = options;
  // The first watch of a program opens a descriptor that its event loop keeps.
  watch(tmpdir(), () => undefined).close();
  const before = { fds: descriptors(), rss: process.memoryUsage.rss() };
  const config = parseConfig({
    plugins: {
      oracle: {
        command: [process.execPath, plugin],
        drainTimeoutMs: drain ? 120_000 : 1,
        limits: { maxInFlight: 10_000 },
      },
    },
  });
  const room = await createEngineRoom(config, process.env, silent);
  const tally = newTally();
  const groups = new Set();
  const instances = new Set();
  const sockets = new Set();
  room.events.follow((event) => {
    if (event.type === 'instance' && event.to === 'stopped') tally.endings.push(event.message);
  });
  room.registry.onActiveChanged((slot) => {
    if (slot.active === undefined) return;
    instances.add(slot.active.instanceId);
    if (slot.active.group !== undefined) groups.add(slot.active.group);
    sockets.add(slot.active.address.slice('unix:'.length));
    tally.commitAt.push(performance.now());
    for (const call of tally.open) call.straddles = true;
  });
  room.start();
  const coldAt = performance.now();
  while (room.registry.get('oracle')?.active === undefined) await sleep(5);
  const coldStartMs = performance.now() - coldAt;
  await room.models.refresh();

  let over = false;
  let swapped = false;
  let seed = 0;
  const ask = (pieces, delayMs, kind) => oneCall(room, tally, ++seed, pieces, delayMs, kind);
  const caller = async () => {
    while (!swapped || tally.issued.call < calls) await ask(2, 0, 'call');
  };
  const streamPieces = Math.max(4, Math.round(streamMs / 250));
  const stream = async () => {
    while (!over) {
      // Streams that were cut together do not go on in step.
      await sleep(Math.random() * 250);
      await ask(streamPieces, 250, 'stream');
    }
  };
  const loads = [...Array.from({ length: callers }, caller)];
  const rests = [...Array.from({ length: streams }, stream)];

  const carried = new Set();
  const commits = [];
  const prepares = [];
  const rss = [];
  const own = [];
  const heap = [];
  for (let index = 1; index <= swaps; index++) {
    // Spread over the calls, each generation serving; without callers, one after the other.
    const serves = () => tally.processOf.has(room.registry.get('oracle').active?.instanceId);
    while (callers > 0 && (tally.issued.call < (index * calls) / (swaps + 1) || !serves())) await sleep(5);
    // The first one serves Multiplex; with `plain` every other one after it does not.
    const command = [process.execPath, plugin, ...(plain && index % 2 === 1 ? ['--plain'] : [])];
    const signal = new AbortController().signal;
    const result = await room.admin.swap('oracle', { bakeMs: 0, command }, signal);
    carried.add(room.registry.get('oracle').active.manifest.services.includes(multiplex));
    commits.push(result.commitMs);
    prepares.push(result.prepareMs);
    if (index % Math.max(1, Math.floor(swaps / 50)) === 0) {
      await collected(room, callers > 0);
      const { rss: held, heapUsed } = process.memoryUsage();
      const anonymous = anonymousMemory();
      rss.push([index, held]);
      if (anonymous !== undefined) own.push([index, anonymous]);
      heap.push([index, heapUsed]);
      onProgress({ swaps: index, calls: tally.issued.call, rss: held, own: anonymous, heap: heapUsed });
    }
  }
  while (callers > 0 && !tally.processOf.has(room.registry.get('oracle').active?.instanceId)) await sleep(5);
  swapped = true;
  await Promise.all(loads);
  over = true;
  await Promise.all(rests);
  // What was replaced is gone before the host is told to stop.
  const until = Date.now() + 30_000;
  while (room.admin.get('oracle').instances.length > 1 && Date.now() < until) await sleep(20);
  const lingering = room.admin.get('oracle').instances.length - 1;
  await room.close(5000);
  await sleep(300);
  return report(tally, {
    before,
    instances,
    groups,
    sockets,
    carried,
    commits,
    prepares,
    rss,
    own,
    heap,
    lingering,
    coldStartMs,
    options,
  });
}

/** What is not needed any more is given back; without load, what was replaced is gone before. */
async function collected(room, loaded) {
  while (!loaded && room.admin.get('oracle').instances.length > 1) await sleep(5);
  globalThis.gc?.();
  // Finalizers run in a turn of their own, and free more.
  await sleep(10);
  globalThis.gc?.();
}

function newTally() {
  return {
    issued: { call: 0, stream: 0 },
    completed: { call: 0, stream: 0 },
    failures: [],
    failed: 0,
    /** Process that answered for each instance. */
    processOf: new Map(),
    open: new Set(),
    straddled: { call: 0, stream: 0 },
    latencies: [],
    commitAt: [],
    endings: [],
  };
}

async function oneCall(room, tally, seed, pieces, delayMs, kind) {
  const call = { straddles: false };
  tally.issued[kind] += 1;
  tally.open.add(call);
  const startedAt = performance.now();
  const fail = (why) => {
    tally.failed += 1;
    if (tally.failures.length < 5) tally.failures.push(`${kind} ${seed}: ${why}`);
  };
  try {
    const context = {
      requestId: `${kind}-${seed}`,
      door: 'rest',
      signal: new AbortController().signal,
      strictParams: false,
      traceparent: '',
      receivedAt: startedAt,
    };
    const request = GenerateRequest.create({ prompt: `${seed} ${pieces} ${delayMs}` });
    const generation = await room.router.generate(
      { model: 'oracle', request, parameters: new Map() },
      context,
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
    const { wrong, pid } = check(text, seed, pieces);
    const { instanceId } = generation.served;
    const known = tally.processOf.get(instanceId) ?? pid;
    if (wrong !== undefined) fail(wrong);
    else if (known !== pid) fail(`processes ${known} and ${pid} answered for one instance`);
    else {
      tally.completed[kind] += 1;
      tally.processOf.set(instanceId, pid);
      if (call.straddles) tally.straddled[kind] += 1;
    }
  } catch (error) {
    fail(`${error.kind ?? ''} ${error.message}`);
  }
  tally.open.delete(call);
  if (kind === 'call') tally.latencies.push([startedAt, performance.now() - startedAt]);
}

function report(
  tally,
  {
    before,
    instances,
    groups,
    sockets,
    carried,
    commits,
    prepares,
    rss,
    own,
    heap,
    lingering,
    coldStartMs,
    options,
  },
) {
  const sorted = (list) => [...list].sort((a, b) => a - b);
  const quantile = (list, q) => sorted(list)[Math.min(list.length - 1, Math.floor(q * list.length))] ?? 0;
  // A call is near a commit when it was under way at one or began within 50 ms after it.
  const near = [];
  const far = [];
  for (const [at, ms] of tally.latencies) {
    const hit = tally.commitAt.slice(1).some((commit) => at - 50 <= commit && commit <= at + ms);
    (hit ? near : far).push(ms);
  }
  const left = {
    processes: [...groups].filter(groupAlive),
    sockets: [...sockets].filter((path) => exists(path)),
    descriptors: descriptors().filter((name) => !before.fds.includes(name) && !name.endsWith(' /dev/null')),
  };
  const generations = [...instances].filter((id) => tally.processOf.has(id)).length;
  const forced = tally.endings.filter((line) => !line.endsWith('exited with status 0'));
  const problems = [];
  const demand = (ok, what) => {
    if (!ok) problems.push(what);
  };
  const { issued, completed, straddled } = tally;
  demand(tally.failed === 0, `${tally.failed} failed: ${tally.failures.join('; ')}`);
  demand(issued.call === completed.call && issued.stream === completed.stream, 'issued is not completed');
  demand(issued.call >= options.calls || options.callers === 0, `only ${issued.call} calls were issued`);
  demand(
    options.callers === 0 || generations === options.swaps + 1,
    `${generations} of ${options.swaps + 1} generations served`,
  );
  demand(
    options.callers === 0 || straddled.call + straddled.stream >= options.swaps,
    'too few requests straddled a commit',
  );
  demand(carried.has(false) === (options.plain === true), 'the wrong instances served Multiplex');
  demand(
    tally.endings.length === options.swaps + 1,
    `${tally.endings.length} of ${options.swaps + 1} processes ended`,
  );
  demand(forced.length === 0, `ended otherwise than by themselves: ${forced.slice(0, 3).join('; ')}`);
  demand(lingering === 0, `${lingering} replaced instances were still there`);
  demand(left.processes.length === 0, `processes left: ${left.processes.join(', ')}`);
  demand(left.sockets.length === 0, `sockets left: ${left.sockets.join(', ')}`);
  demand(left.descriptors.length === 0, `descriptors left: ${left.descriptors.join(', ')}`);
  return {
    ok: problems.length === 0,
    problems,
    issued,
    completed,
    failed: tally.failed,
    generations,
    straddled,
    commitMs: { p50: quantile(commits, 0.5), p99: quantile(commits, 0.99), max: Math.max(...commits) },
    prepareMs: { p50: quantile(prepares, 0.5), max: Math.max(...prepares) },
    coldStartMs,
    latencyMs: {
      steady: { p50: quantile(far, 0.5), p99: quantile(far, 0.99), max: quantile(far, 1) },
      atCommit: {
        calls: near.length,
        p50: quantile(near, 0.5),
        p99: quantile(near, 0.99),
        max: quantile(near, 1),
      },
      worstAdded: Math.max(0, quantile(near, 1) - quantile(far, 0.99)),
    },
    rss: {
      before: before.rss,
      first: rss[0]?.[1],
      last: rss.at(-1)?.[1],
      bytesPerSwap: slope(rss),
    },
    // Without the pages of the program's files, which the kernel takes and brings back as it likes.
    ownMemory: {
      first: own[0]?.[1],
      middle: own[Math.floor(own.length / 2)]?.[1],
      last: own.at(-1)?.[1],
      // It goes up and down with the garbage collector: a leak lifts both from quarter to quarter.
      quarters: quarters(own),
    },
    heapAfterGc: {
      collected: globalThis.gc !== undefined,
      first: heap[0]?.[1],
      middle: heap[Math.floor(heap.length / 2)]?.[1],
      last: heap.at(-1)?.[1],
      bytesPerSwap: slope(heap),
    },
    left,
  };
}

/** The least and the most of each quarter of the run. */
function quarters(points) {
  const size = Math.ceil(points.length / 4);
  return [0, 1, 2, 3].flatMap((quarter) => {
    const values = points.slice(quarter * size, (quarter + 1) * size).map(([, value]) => value);
    return values.length === 0 ? [] : [{ low: Math.min(...values), high: Math.max(...values) }];
  });
}

/** Least squares over the second half: the first is the warming of caches. */
function slope(points) {
  const half = points.slice(Math.floor(points.length / 2));
  if (half.length < 3) return 0;
  const mean = (index) => half.reduce((sum, point) => sum + point[index], 0) / half.length;
  const [x, y] = [mean(0), mean(1)];
  const up = half.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return up / half.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

/** Resident bytes that are this process's alone; undefined where the platform does not tell. */
function anonymousMemory() {
  try {
    const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}

function descriptors() {
  try {
    return readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        // The directory's own.
        return [];
      }
    });
  } catch {
    return [];
  }
}

function groupAlive(group) {
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

function exists(path) {
  try {
    readFileSync(path);
    return true;
  } catch (error) {
    return error.code !== 'ENOENT';
  }
}
