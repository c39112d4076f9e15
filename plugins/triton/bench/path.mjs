// The whole way, HTTP to host to plugin to Triton and back, against tritonclient on the same models in the same run.
// Read the ratios: the models are Python without a brain, so what is measured is the way and not the models.
// usage: node plugins/triton/bench/path.mjs [--rounds 3]
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { cpus, loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startHost } from '../../../scripts/testing/host-process.mjs';
import { runtime } from '../../../scripts/runtimes/locate.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const at = process.argv.indexOf('--rounds');
const rounds = at < 0 ? 3 : Number(process.argv[at + 1]);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const [server, client] = ['tritonserver', 'tritonclient'].map((name) => {
  const found = runtime(name);
  if (found.missing) {
    console.error(found.missing);
    process.exit(1);
  }
  return found;
});

/** Triton with the test models on a UNIX socket; it joins address and port with a colon. */
async function startTriton(folder) {
  for (const name of ['llm', 'embed']) {
    mkdirSync(join(folder, 'models', name, '1'), { recursive: true });
    const from = (file) => here(`../test/models/${name}/${file}`);
    cpSync(from('config.pbtxt'), join(folder, 'models', name, 'config.pbtxt'));
    cpSync(from('model.py'), join(folder, 'models', name, '1/model.py'));
  }
  const args = [
    `--model-repository=${join(folder, 'models')}`,
    '--disable-auto-complete-config',
    `--grpc-address=unix:${join(folder, 's')}`,
    '--grpc-port=1',
    '--allow-http=false',
    '--allow-metrics=false',
    '--exit-timeout-secs=2',
    `--backend-config=python,shm-region-prefix-name=${basename(folder)}`,
  ];
  const child = spawn(server.path, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let log = '';
  const late = AbortSignal.timeout(60_000);
  await new Promise((resolve, reject) => {
    const look = (chunk) => {
      log = (log + chunk).slice(-20_000);
      if (log.includes('Started GRPCInferenceService')) resolve();
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', (code) => reject(new Error(`Triton ended with ${code}:\n${log}`)));
    late.addEventListener('abort', () => reject(new Error(`Triton does not listen:\n${log}`)));
  });
  return child;
}

/** The Python client as a process that is given one task after another. */
function startDirect(url) {
  const child = spawn(client.python ?? client.path, [here('direct.py'), url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    async ask(...task) {
      child.stdin.write(`${JSON.stringify(task)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('the Python client ended');
      return JSON.parse(value);
    },
  };
}

/** The same tasks through the host. */
function through(host) {
  const chat = (tokens) =>
    host.post('/v1/chat/completions', {
      model: 'triton/llm',
      messages: [{ role: 'user', content: 'tick' }],
      max_tokens: tokens,
      stream: true,
    });
  /** Reads a stream to its end; tells its tokens and when the first came. */
  const read = async (response) => {
    let seen = 0;
    let first;
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop();
      for (const line of lines) if (line.includes('"content":"tick')) seen += line.split('tick ').length - 1;
      if (seen > 0) first ??= performance.now();
    }
    return { seen, first };
  };
  const embed = async (input) => {
    const response = await host.post('/v1/embeddings', { model: 'triton/embed', input });
    const { data } = await response.json();
    if (data.length !== [input].flat().length) throw new Error('embeddings are missing');
  };
  const tasks = {
    async first(count) {
      const times = [];
      for (let index = 0; index < count; index += 1) {
        const begun = performance.now();
        times.push((await read(await chat(1))).first - begun);
      }
      return times;
    },
    async tokens(count, each) {
      const begun = performance.now();
      const all = await Promise.all(Array.from({ length: count }, async () => read(await chat(each))));
      const seen = all.reduce((sum, one) => sum + one.seen, 0);
      if (seen !== count * each) throw new Error(`${seen} tokens instead of ${count * each}`);
      return (seen * 1000) / (performance.now() - begun);
    },
    async embed(texts, batch) {
      const begun = performance.now();
      if (batch > 1) await embed(Array(texts).fill('abc'));
      else for (let index = 0; index < texts; index += 1) await embed('abc');
      return (texts * 1000) / (performance.now() - begun);
    },
  };
  return { ask: (name, ...more) => tasks[name](...more) };
}

const measures = [
  ['time to first token, p50 (ms)', ['first', 50]],
  ['tokens/s, 1 stream', ['tokens', 1, 1000]],
  ['tokens/s, 16 streams', ['tokens', 16, 200]],
  ['tokens/s, 64 streams', ['tokens', 64, 50]],
  ['embeddings/s, one text per request, one after another', ['embed', 100, 1]],
  ['embeddings/s, 512 texts in batches of 8', ['embed', 512, 8]],
];

const folder = mkdtempSync(join(tmpdir(), 'otrb-'));
let triton, host, direct;
try {
  triton = await startTriton(folder);
  const url = `unix:${join(folder, 's:1')}`;
  const template = { jinja: '{% for m in messages %}{{ m.content }}{% endfor %}' };
  host = await startHost({
    bundledPlugins: false,
    plugins: { triton: { config: { endpoints: [{ url }], template } } },
  });
  await host.hasModel('triton/llm');
  direct = startDirect(url);
  const ways = [direct, through(host)];
  const single = (value) => (Array.isArray(value) ? median(value) : value);
  console.log(
    `Triton ${server.version}, tritonclient ${client.version}, Node ${process.version}, ${cpus().length} CPUs`,
  );
  console.log(`load before: ${loadavg()[0].toFixed(1)}; median of ${rounds} rounds, ways in turn\n`);
  console.log('| measure | tritonclient | through the host | ratio |\n| --- | ---: | ---: | ---: |');
  for (const [title, task] of measures) {
    const seen = [[], []];
    // Round 0 warms both up and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [index, way] of ways.entries()) {
        const value = single(await way.ask(...task));
        if (round > 0) seen[index].push(value);
      }
    }
    const [a, b] = seen.map(median);
    const digits = a < 100 ? 2 : 0;
    const added = task[0] === 'first' ? ` (adds ${(b - a).toFixed(2)})` : '';
    console.log(`| ${title} | ${a.toFixed(digits)} | ${b.toFixed(digits)}${added} | ${(b / a).toFixed(2)} |`);
  }
} finally {
  direct?.child.stdin.end();
  const left = AbortSignal.timeout(5000);
  if (direct) left.addEventListener('abort', () => direct.child.kill('SIGKILL'));
  await host?.stop();
  if (triton) {
    const ended = once(triton, 'exit');
    triton.kill('SIGTERM');
    AbortSignal.timeout(10_000).addEventListener('abort', () => triton.kill('SIGKILL'));
    if (triton.exitCode === null && triton.signalCode === null) await ended;
    try {
      process.kill(-triton.pid, 'SIGKILL');
    } catch {
      // None is left.
    }
  }
  for (const region of readdirSync('/dev/shm')) {
    if (region.startsWith(basename(folder))) rmSync(join('/dev/shm', region), { force: true });
  }
  rmSync(folder, { recursive: true, force: true });
  if (direct && direct.child.exitCode === null && direct.child.signalCode === null)
    await once(direct.child, 'exit');
}
