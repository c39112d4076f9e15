import { randomBytes } from 'node:crypto';
import { existsSync, watch, type FSWatcher } from 'node:fs';
import { mkdtemp, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../errors/gateway-error.js';
import { claimFolder, folderPrefix, removeAbandoned } from './abandoned-folders.js';

/** Longest path of a unix socket that every kernel takes; longer ones are cut in silence. */
const maxSocketPath = 100;

/** How often a socket is looked for where watching misses it, in milliseconds. */
const lookAgainMs = 250;

/** How long plugins of a killed host may live on, and more, in milliseconds. */
const lingerMs = 4000;

/** A private directory in which spawned plugins get their sockets. */
export class EndpointDirectory {
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    readonly path: string,
    private readonly base: string,
  ) {}

  /** Makes the directory, mode 0700, under the system's temporary one. */
  static async create(): Promise<EndpointDirectory> {
    for (const base of [tmpdir(), '/tmp']) {
      const path = await mkdtemp(join(base, folderPrefix)).catch((thrown: unknown) => {
        throw new GatewayError(
          'internal',
          `no folder for the sockets of plugins can be made in ${base}; set TMPDIR to a folder that can be written to`,
          { cause: thrown },
        );
      });
      if (path.length + 40 <= maxSocketPath) {
        await claimFolder(path);
        return new EndpointDirectory(path, base);
      }
      await rm(path, { recursive: true, force: true });
    }
    throw new GatewayError(
      'internal',
      'no temporary directory has a path short enough for unix sockets; set TMPDIR to a shorter one',
    );
  }

  /** Removes what hosts left behind that were killed; in the background, it never fails. */
  async tidy(): Promise<void> {
    if (!(await removeAbandoned(this.base))) return;
    this.timer = setTimeout(() => void removeAbandoned(this.base), lingerMs);
    this.timer.unref();
  }

  /** An address that was never used before. */
  assign(plugin: string): Endpoint {
    const path = join(this.path, `${plugin.slice(0, 16)}-${randomBytes(6).toString('hex')}.sock`);
    return { path, address: `unix:${path}` };
  }

  /**
   * Resolves when there is a socket at the endpoint or the signal fires. Trying to
   * connect before would be in vain, and each vain try makes the next one later.
   */
  appeared(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let watcher: FSWatcher | undefined;
      // Watching alone misses things.
      const timer = setInterval(() => {
        look();
      }, lookAgainMs);
      const end = (): void => {
        clearInterval(timer);
        watcher?.close();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const look = (): void => {
        if (existsSync(endpoint.path)) end();
      };
      signal.addEventListener('abort', end, { once: true });
      try {
        watcher = watch(this.path, { persistent: false }, look);
        watcher.on('error', end);
      } catch {
        // No watching here: the connection is tried at once.
        end();
        return;
      }
      if (signal.aborted) end();
      else look();
    });
  }

  /** Removes what an instance that is gone may have left. */
  async release(endpoint: Endpoint): Promise<void> {
    await unlink(endpoint.path).catch(() => undefined);
  }

  async remove(): Promise<void> {
    clearTimeout(this.timer);
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Where a spawned plugin listens. */
export interface Endpoint {
  readonly path: string;
  /** As the gRPC library takes it. */
  readonly address: string;
}
