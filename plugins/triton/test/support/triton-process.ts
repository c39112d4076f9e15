import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { until } from './until.js';

const models = join(import.meta.dirname, '../models');

/** Writes the test models as Triton wants them into a new folder. */
export function modelRepository(folder: string): string {
  const repository = join(folder, 'models');
  for (const name of readdirSync(models)) {
    const source = join(models, name);
    // A variant of another model has a configuration of its own only.
    const code = existsSync(join(source, 'model.py')) ? source : join(models, name.split('_')[0] ?? name);
    mkdirSync(join(repository, name, '1'), { recursive: true });
    cpSync(join(source, 'config.pbtxt'), join(repository, name, 'config.pbtxt'));
    cpSync(join(code, 'model.py'), join(repository, name, '1', 'model.py'));
  }
  return repository;
}

/**
 * A real Triton on a UNIX socket in a folder of its own. It listens on the socket
 * by a detour: it joins address and port with a colon, so the port ends the name
 * of the file.
 */
export class TritonProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'otri-'));
  readonly repository = modelRepository(this.folder);
  readonly url = `unix:${join(this.folder, 's')}:1`;
  readonly #program: string;
  #child: ChildProcess | undefined;
  #log = '';
  readonly #groups: number[] = [];

  constructor(program: string) {
    this.#program = program;
  }

  /** Starts it with these models loaded and waits until it listens. */
  async start(loaded: readonly string[], ...more: string[]): Promise<void> {
    const socket = join(this.folder, 's:1');
    rmSync(socket, { force: true });
    const child = spawn(
      this.#program,
      [
        `--model-repository=${this.repository}`,
        '--model-control-mode=explicit',
        ...loaded.map((name) => `--load-model=${name}`),
        '--disable-auto-complete-config',
        `--grpc-address=unix:${join(this.folder, 's')}`,
        '--grpc-port=1',
        '--allow-http=false',
        '--allow-metrics=false',
        '--exit-timeout-secs=2',
        `--backend-config=python,shm-region-prefix-name=${basename(this.folder)}`,
        ...more,
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      },
    );
    this.#child = child;
    if (child.pid !== undefined) this.#groups.push(child.pid);
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const from = this.#log.length;
    await until(
      () => {
        if (child.exitCode !== null)
          throw new Error(`Triton ended with status ${child.exitCode}:\n${this.#log}`);
        return (
          this.#log.slice(Math.min(from, this.#log.length)).includes('Started GRPCInferenceService') ||
          undefined
        );
      },
      { what: () => `Triton to listen:\n${this.#log}`, withinMs: 60_000 },
    );
  }

  get log(): string {
    return this.#log;
  }

  /** Ends the server at once, as the kernel would; its model processes notice and end by themselves. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const late = AbortSignal.timeout(10_000);
    late.addEventListener('abort', () => child.kill('SIGKILL'));
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
    // Model processes that outlived it, and the shared memory that a crashed one leaves behind.
    for (const group of this.#groups) {
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // None is left.
      }
    }
    const prefix = basename(this.folder);
    for (const region of existsSync('/dev/shm') ? readdirSync('/dev/shm') : []) {
      if (region.startsWith(prefix)) rmSync(join('/dev/shm', region), { force: true });
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
