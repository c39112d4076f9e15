import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Client } from '@grpc/grpc-js';
import { until } from './until.js';

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A real MLServer with the models of this folder, in a folder and on ports of its own. */
export class MlserverProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'omls-'));
  readonly #program: string;
  #child: ChildProcess | undefined;
  #log = '';
  url = '';

  constructor(program: string) {
    this.#program = program;
  }

  async start(): Promise<void> {
    const models = join(this.folder, 'models');
    cpSync(join(import.meta.dirname, '../mlserver-models'), models, { recursive: true });
    const [http, grpc, metrics] = await freePorts(3);
    const settings = {
      host: '127.0.0.1',
      http_port: http,
      grpc_port: grpc,
      metrics_port: metrics,
      parallel_workers: 0,
      load_models_at_startup: false,
    };
    writeFileSync(join(models, 'settings.json'), JSON.stringify(settings));
    this.url = `grpc://127.0.0.1:${grpc}`;
    const child = spawn(this.#program, ['start', '.'], {
      cwd: models,
      env: { ...process.env, PYTHONPATH: models },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const client = new Client(`127.0.0.1:${grpc}`, credentials.createInsecure());
    try {
      await until(
        () =>
          new Promise<true | undefined>((resolve) => {
            if (child.exitCode !== null) throw new Error(`MLServer ended with status ${child.exitCode}`);
            client.waitForReady(Date.now() + 1_000, (error) =>
              resolve(error === undefined ? true : undefined),
            );
          }),
        { what: () => `MLServer to listen:\n${this.#log}`, withinMs: 60_000 },
      );
    } finally {
      client.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      AbortSignal.timeout(10_000).addEventListener('abort', () => child.kill('SIGKILL'));
      await ended;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // None is left.
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
