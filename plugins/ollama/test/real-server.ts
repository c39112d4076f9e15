import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tinyGguf, type TinyModel } from './tiny-gguf.js';

/** Polls until the condition holds; throws after the deadline. */
export async function until<Value>(
  what: string,
  condition: () => Promise<Value | undefined | false> | Value | undefined | false,
  deadlineMs = 20_000,
): Promise<Value> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`it did not come to pass: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A real Ollama in a home of its own, with its runners in one process group. */
export class RealServer implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #home: string;

  private constructor(url: string, child: ChildProcess, home: string) {
    this.url = url;
    this.#child = child;
    this.#home = home;
  }

  static async start(binary: string): Promise<RealServer> {
    const home = await mkdtemp(join(tmpdir(), 'ollama-'));
    const port = await freePort();
    const child = spawn(binary, ['serve'], {
      // A process group of its own: runners outlive a server that is killed.
      detached: true,
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'],
        HOME: home,
        OLLAMA_HOST: `127.0.0.1:${port}`,
        OLLAMA_MODELS: join(home, 'models'),
        OLLAMA_NO_CLOUD: '1',
        GIN_MODE: 'release',
      },
    });
    const server = new RealServer(`http://127.0.0.1:${port}`, child, home);
    const kill = (): void => server.#kill();
    process.once('exit', kill);
    await until('Ollama answers', async () => {
      const answer = await fetch(`${server.url}/api/version`).catch(() => undefined);
      return answer?.ok;
    });
    return server;
  }

  /** Writes a model file and makes a model of it. */
  async create(name: string, model: TinyModel): Promise<void> {
    const bytes = tinyGguf(model);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const blob = await fetch(`${this.url}/api/blobs/${digest}`, {
      method: 'POST',
      body: new Uint8Array(bytes),
    });
    if (!blob.ok) throw new Error(`blob: ${await blob.text()}`);
    const body = {
      model: name,
      stream: false,
      files: { 'm.gguf': digest },
      parameters: { num_thread: 1, temperature: 0 },
    };
    const created = await fetch(`${this.url}/api/create`, { method: 'POST', body: JSON.stringify(body) });
    if (!created.ok) throw new Error(`create: ${await created.text()}`);
  }

  /** Process ids of the runners: the children of the server. */
  async runners(): Promise<number[]> {
    const found: number[] = [];
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[1]) === this.#child.pid && fields[0] !== 'Z') found.push(Number(entry));
    }
    return found;
  }

  /** CPU that the runners have used, in clock ticks. */
  async runnerTicks(): Promise<number> {
    let ticks = 0;
    for (const pid of await this.runners()) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    }
    return ticks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#kill();
      await gone;
    }
    await rm(this.#home, { recursive: true, force: true });
  }

  #kill(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // The group is gone already.
    }
  }
}
