// A host in a process of its own, for tests that look at it from outside.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Waits until `check` returns something true; the deadline is generous, the wait is short. */
export async function until(check, what, timeoutMs = 20_000) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** True while a process runs; a zombie does not. */
export function alive(pid) {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** All processes below one, by their parents. */
export function descendants(pid) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      children.set(parent, [...(children.get(parent) ?? []), { pid: Number(name), commandLine }]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [];
  const visit = (parent) => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      visit(child.pid);
    }
  };
  visit(pid);
  return found;
}

/** Starts `outrigger serve` with a configuration, on a free port, in an empty folder. */
export async function startHost(config = {}, { env = {}, args = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'host-test-'));
  const file = join(folder, 'outrigger.json');
  await writeFile(file, JSON.stringify({ ...config, server: { port: 0, ...config.server } }));
  const child = spawn(
    process.execPath,
    [join(root, 'host/dist/main.js'), 'serve', '--config', file, ...args],
    {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, TMPDIR: tmpdir(), LOG_LEVEL: 'info', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdout.on('data', (chunk) => (stdout += chunk));
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  let url;
  const host = {
    folder,
    pid: child.pid,
    exited,
    stderr: () => stderr,
    stdout: () => stdout,
    get url() {
      return url;
    },
    kill: (signal) => child.kill(signal),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, 8000);
      const result = await exited;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
      return late ? undefined : result;
    },
    /** Waits until a model is listed. */
    hasModel: (id) =>
      until(
        async () => {
          const answer = await fetch(`${url}/v1/models`).then((response) => response.json());
          return answer.data.some((model) => model.id === id);
        },
        `model ${id}; the log says:\n${stderr.slice(-2000)}`,
      ),
    post: (path, body, init = {}) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
  };
  try {
    url = await until(() => {
      if (child.exitCode !== null) throw new Error(`the host ended with ${child.exitCode}:\n${stderr}`);
      return /"url":"(http:[^"]+)"/.exec(stderr)?.[1];
    }, 'the host listens');
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${error.message}\n${stderr}`);
  }
  return host;
}
