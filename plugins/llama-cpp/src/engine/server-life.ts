import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from './errors.js';
import { GuardedProcess, type ProcessExit } from './guarded-process.js';
import { serverArguments, serverEnvironment, type ServerSettings } from './server-arguments.js';
import type { ServerBinary } from './server-binary.js';
import { ServerClient, type ServerAddress } from './server-client.js';
import { startFailure } from './start-failure.js';

/** A longer path of a unix socket is cut in silence by the kernel's interface. */
const MAX_SOCKET_PATH = 99;

export interface ServerLifeOptions {
  binary: ServerBinary;
  settings: ServerSettings;
  env: Readonly<Record<string, string | undefined>>;
  /** Longest wait from the start until the model answers. */
  startTimeoutMs: number;
  headersTimeoutMs: number;
  idleTimeoutMs: number;
  /** Force a TCP port even where a unix socket is possible. */
  tcp?: boolean | undefined;
  onLine?: ((line: string) => void) | undefined;
}

/** One llama-server process from start to exit, ready to answer when `start` resolves. */
export class ServerLife {
  readonly process: GuardedProcess;
  readonly client: ServerClient;

  private constructor(process: GuardedProcess, client: ServerClient) {
    this.process = process;
    this.client = client;
    // Requests on a dead process must not wait for the socket to notice.
    void process.exit.then(() => this.client.abortAll(new EngineError('crashed', 'the engine ended')));
  }

  /** Starts a server and waits until it answers. Whatever goes wrong, nothing is left running. */
  static async start(options: ServerLifeOptions, signal: AbortSignal): Promise<ServerLife> {
    signal.throwIfAborted();
    const folder = await mkdtemp(join(tmpdir(), 'outrigger-engine-'));
    const socket = join(folder, 'engine.sock');
    const unix =
      options.tcp !== true && process.platform !== 'win32' && Buffer.byteLength(socket) <= MAX_SOCKET_PATH;
    const planned: ServerAddress = unix
      ? { kind: 'unix', path: socket }
      : { kind: 'tcp', origin: '', apiKey: randomBytes(24).toString('base64url') };

    let announced: ((origin: string) => void) | undefined;
    const listening = new Promise<string>((resolve) => (announced = resolve));
    const child = new GuardedProcess({
      file: options.binary.path,
      args: serverArguments(options.settings, options.binary, planned),
      env: serverEnvironment(options.env, planned),
      folder,
      onLine: (line) => {
        // The line goes to stderr, or to stdout when logs are JSON; a process of its own reads like another one.
        const origin = /listening on (https?:\/\/[\w.:[\]-]+)/.exec(line)?.[1];
        if (origin !== undefined) announced?.(origin);
        options.onLine?.(line);
      },
    });
    void child.exit.then(() => rm(folder, { recursive: true, force: true }).catch(() => undefined));

    const over = new AbortController();
    const waiting = AbortSignal.any([signal, over.signal, AbortSignal.timeout(options.startTimeoutMs)]);
    let client: ServerClient | undefined;
    const ready = async (): Promise<ServerClient> => {
      const address =
        planned.kind === 'unix' ? planned : { ...planned, origin: await abortable(listening, waiting) };
      client = new ServerClient({ ...options, address });
      await untilHealthy(client, waiting);
      return client;
    };
    try {
      const outcome = await Promise.race([ready(), child.exit]);
      if (outcome instanceof ServerClient) return new ServerLife(child, outcome);
      throw startFailure(outcome, child.tail.lines);
    } catch (error) {
      over.abort();
      await client?.close(new EngineError('stopped', 'the engine did not start'));
      await child.stop();
      if (error instanceof EngineError) throw error;
      if (signal.aborted)
        throw new EngineError('stopped', 'loading the model was given up', { cause: error });
      throw new EngineError(
        'start_timeout',
        `the model was not ready after ${Math.round(options.startTimeoutMs / 1000)} s`,
        { detail: child.tail.text(20), cause: error },
      );
    } finally {
      over.abort();
    }
  }

  /** Ends live requests first: a server with an open stream does not react to SIGTERM. */
  async stop(reason: EngineError): Promise<ProcessExit> {
    await this.client.close(reason);
    return this.process.stop();
  }
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Asks /health until it says yes; the first answers come within milliseconds, so the pauses grow from small. */
async function untilHealthy(client: ServerClient, signal: AbortSignal): Promise<void> {
  for (let pause = 5; ; pause = Math.min(250, pause * 1.5)) {
    signal.throwIfAborted();
    try {
      await client.json('/health', undefined, AbortSignal.any([signal, AbortSignal.timeout(5_000)]));
      return;
    } catch {
      // Not listening yet, or still loading; a process that ended is noticed by the caller.
      await delay(pause, undefined, { signal });
    }
  }
}
