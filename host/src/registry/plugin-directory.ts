import { watch, type FSWatcher } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { EventLog } from '../telemetry/event-log.js';
import type { Logger } from '../telemetry/logger.js';
import { alive, socketsIn, type Socket } from './announced-sockets.js';
import { identify } from './handshake.js';
import { openTransport } from './open-transport.js';
import type { PluginSource } from './plugin-source.js';

/** What a plugin directory is given. */
export interface PluginDirectoryOptions {
  /** The directory; it is made, mode 0700, when it is not there. */
  readonly path: string;
  readonly hostVersion: string;
  /** True when an instance at this address serves: it need not be asked whether it lives. */
  readonly serves: (address: string) => boolean;
  /** Takes the plugins that are there, one source for each name. */
  readonly onPlugins: (sources: readonly PluginSource[]) => void;
  readonly events: EventLog;
  readonly log: Logger;
  /** Milliseconds between two looks when nothing was noticed. Default 2000. */
  readonly rescanMs?: number;
}

/** A socket behind which a plugin answered. */
interface Found {
  readonly path: string;
  /** Another socket under the same path is another one. */
  readonly identity: string;
  readonly name: string;
  readonly instanceId: string;
  readonly version: string;
  /** When the socket was made, in milliseconds since the epoch. */
  readonly bornAt: number;
}

/** A socket that is not used. */
interface Refused {
  readonly identity: string;
  readonly why: string;
  /** How often it was asked, and when it is asked again (monotonic milliseconds). */
  readonly times: number;
  readonly retryAt: number;
}

/** Longest wait for one socket, in milliseconds. */
const answerMs = 3000;
/** What answers within this time is taken in at once; the others later, in milliseconds. */
const promptMs = 500;
/** A socket that was refused is asked again after a growing time, in milliseconds. */
const retry = { firstMs: 1000, mostMs: 30_000 };
/** Longest path of a unix socket that every kernel takes. */
const maxSocketPath = 100;
const debounceMs = 50;

/**
 * Plugins that announce themselves by a socket in a directory. A socket that
 * appears is asked for its name; the newest that answers for a name is the
 * plugin, so that a new version replaces the old one by appearing. Watched and
 * looked through again and again, because watching alone misses things.
 */
export class PluginDirectory {
  private readonly found = new Map<string, Found>();
  /** Why a socket is not used; told once. */
  private readonly refused = new Map<string, Refused>();
  private readonly closing = new AbortController();
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private scanning: Promise<void> | undefined;
  private again = false;
  /** Why the directory could not be read the last time. */
  private trouble: string | undefined;
  /** How many sockets the last look left out. */
  private left = 0;
  /** The socket and the instance that were last told of for each name. */
  private shown = new Map<string, string>();

  constructor(private readonly options: PluginDirectoryOptions) {}

  /** Makes the directory, looks through it once and goes on watching. */
  async start(): Promise<void> {
    const { path, log } = this.options;
    await mkdir(path, { recursive: true, mode: 0o700 });
    if (((await stat(path)).mode & 0o002) !== 0) {
      log.warn({ path }, 'anybody can announce plugins here: the plugin directory is writable for all');
    }
    this.watch();
    await this.rescan();
  }

  /** Looks through the directory now; one look at a time. */
  rescan(): Promise<void> {
    if (this.scanning !== undefined) {
      this.again = true;
      return this.scanning;
    }
    this.scanning = this.scan()
      .then(
        () => {
          this.readable(undefined);
        },
        (thrown: unknown) => {
          this.readable(thrown instanceof Error ? thrown.message : String(thrown));
        },
      )
      .finally(() => {
        this.scanning = undefined;
        this.soon(this.again ? debounceMs : (this.options.rescanMs ?? 2000));
        this.again = false;
      });
    return this.scanning;
  }

  private watch(): void {
    const { path, log } = this.options;
    const failed = (error: unknown): void => {
      log.warn({ path, err: error }, 'the plugin directory cannot be watched; it is looked through instead');
    };
    try {
      this.watcher = watch(path, { persistent: false }, () => {
        this.soon(debounceMs);
      });
      this.watcher.on('error', failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Tells once of a directory that cannot be read; one that is back is watched anew. */
  private readable(trouble: string | undefined): void {
    if (trouble === this.trouble) return;
    this.trouble = trouble;
    if (trouble !== undefined) {
      this.tell(`the plugin directory cannot be read: ${trouble}`);
      return;
    }
    this.tell('the plugin directory can be read again');
    this.watcher?.close();
    this.watch();
  }

  async close(): Promise<void> {
    this.closing.abort(new GatewayError('cancelled', 'the host is shutting down'));
    clearTimeout(this.timer);
    this.watcher?.close();
    await this.scanning;
    clearTimeout(this.timer);
  }

  private soon(ms: number): void {
    clearTimeout(this.timer);
    if (this.closing.signal.aborted) return;
    this.timer = setTimeout(() => void this.rescan(), ms);
    this.timer.unref();
  }

  private async scan(): Promise<void> {
    const { sockets, left } = await socketsIn(resolve(this.options.path), this.found);
    this.crowded(left);
    const present = new Map(sockets.map((socket) => [socket.path, socket]));
    for (const path of [...this.found.keys(), ...this.refused.keys()]) {
      if (!present.has(path)) this.forget(path);
    }
    const looks = Promise.all(
      [...present.values()].map(async (socket) => {
        const seen = await this.look(socket);
        if (seen === undefined) this.found.delete(socket.path);
        else this.found.set(socket.path, seen);
      }),
    );
    // One that does not answer keeps nobody waiting.
    await Promise.race([looks, sleep(promptMs, undefined, { ref: false })]);
    this.publish();
    await looks;
    this.publish();
  }

  private async look(socket: Socket): Promise<Found | undefined> {
    const { path, identity, bornAt } = socket;
    const known = this.found.get(path);
    const address = `unix:${path}`;
    if (known?.identity === identity && (this.options.serves(address) || (await alive(path)))) return known;
    const refused = this.refused.get(path);
    if (refused?.identity === identity && performance.now() < refused.retryAt) return undefined;
    if (Buffer.byteLength(path) > maxSocketPath) {
      this.refuse(socket, `its path is longer than ${maxSocketPath} bytes`);
      return undefined;
    }
    // A socket that nobody listens on is what a dead plugin leaves; no news.
    if (!(await alive(path))) return undefined;
    const transport = openTransport({ address });
    const bounds = new AbortController();
    const stop = (): void => {
      bounds.abort(this.closing.signal.reason);
    };
    const timer = setTimeout(() => {
      bounds.abort(new GatewayError('plugin_unavailable', `it does not answer within ${answerMs} ms`));
    }, answerMs);
    this.closing.signal.addEventListener('abort', stop, { once: true });
    try {
      const { signal } = bounds;
      const who = await identify(transport, this.options.hostVersion, { signal, timeoutMs: answerMs });
      this.refused.delete(path);
      return { path, identity, bornAt, ...who };
    } catch (thrown) {
      this.refuse(socket, GatewayError.from(thrown).message);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.closing.signal.removeEventListener('abort', stop);
      transport.close();
    }
  }

  /** One source for each name: the newest; an instance that shows up twice counts once. */
  private publish(): void {
    if (this.closing.signal.aborted) return;
    const newest = new Map<string, Found>();
    const byInstance = new Map<string, Found>();
    for (const one of [...this.found.values()].sort((a, b) => a.bornAt - b.bornAt)) {
      const twin = byInstance.get(one.instanceId);
      if (twin !== undefined) {
        this.refuse(one, `it is the very instance that listens at ${twin.path}`);
        continue;
      }
      byInstance.set(one.instanceId, one);
      newest.set(one.name, one);
    }
    const chosen = [...newest.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const before = this.shown;
    this.shown = new Map(chosen.map(({ name, path, instanceId }) => [name, `${path} ${instanceId}`]));
    const news = chosen.filter(({ name }) => this.shown.get(name) !== before.get(name));
    const gone = [...before.keys()].filter((name) => !this.shown.has(name));
    if (news.length === 0 && gone.length === 0) return;
    for (const name of gone)
      this.tell(`plugin ${name} is no longer announced: nobody listens on its socket`, name);
    for (const { name, path, version } of news) {
      this.tell(`plugin ${name} ${version} announces itself at ${path}`, name);
    }
    this.options.onPlugins(chosen.map(sourceOf));
  }

  private refuse({ path, identity }: Socket | Found, why: string): void {
    if (this.closing.signal.aborted) return;
    const before = this.refused.get(path);
    const times = before?.identity === identity ? before.times + 1 : 1;
    const retryAt = performance.now() + Math.min(retry.mostMs, retry.firstMs * 2 ** Math.min(times, 10));
    this.refused.set(path, { identity, why, times, retryAt });
    if (before?.why !== why) this.tell(`the socket ${path} is not used: ${why}`);
  }

  private forget(path: string): void {
    this.refused.delete(path);
    const gone = this.found.get(path);
    if (gone === undefined) return;
    this.found.delete(path);
    this.tell(`the socket ${path} has vanished`, gone.name);
  }

  private crowded(left: number): void {
    if (left > 0 && this.left === 0) {
      this.tell(`${left} sockets in the plugin directory are not looked at: there are too many`);
    }
    this.left = left;
  }

  private tell(message: string, plugin = ''): void {
    this.options.events.add({ type: 'directory', plugin, message });
    this.options.log.info({ ...(plugin === '' ? {} : { plugin }) }, message);
  }
}

function sourceOf({ name, path, instanceId }: Found): PluginSource {
  return {
    name,
    origin: { kind: 'attach', address: `unix:${path}`, tls: undefined, instance: instanceId },
    config: {},
    swapMode: undefined,
    startTimeoutMs: 15_000,
    drainTimeoutMs: 30_000,
    restart: { minDelayMs: 200, maxDelayMs: 5000, resetAfterMs: 60_000 },
    maxInFlight: 256,
    memoryBytes: undefined,
    smokeChecks: 'refuse',
    liveness: { intervalMs: 10_000, timeoutMs: 10_000, misses: 3 },
    watch: [],
  };
}
