import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { connectionFailure } from './connection-failure.js';
import { openTransport } from './open-transport.js';
import { negotiate } from './handshake.js';
import { PluginInstance, type InstanceChange, type InstanceNotice } from './instance.js';
import { contract } from './plugin-client.js';
import { EndpointDirectory, type Endpoint } from './endpoint.js';
import { PluginProcess, prepareProcesses, type ProcessExit } from './plugin-process.js';
import type { PluginSource } from './plugin-source.js';
import { Startup } from './startup.js';
import { examine } from './smoke/examination.js';
import type { PluginTransport } from './transport.js';

/** A running instance and what must be put away with it. */
export interface Launched {
  readonly instance: PluginInstance;
  /** What it was started from, or given since. */
  source: PluginSource;
  /** The host started it and ends it; an attached one is only let go. */
  readonly owned: boolean;
  /** Resolves when it may be there to connect to; at once where that cannot be told. */
  listening(signal: AbortSignal): Promise<void>;
  /** Resolves when its process has ended; never for an attached plugin. */
  readonly exited: Promise<ProcessExit>;
  /**
   * Ends it and frees everything; `graceMs` is the time it has to end by itself,
   * 0 kills it. Resolves, when nothing is left, with how it ended in one line. May
   * be called again, also to hurry.
   */
  dispose(graceMs: number): Promise<string>;
}

/** Brings instances up. */
export interface InstanceLauncher {
  /**
   * Starts or attaches an instance, negotiates and warms it. Resolves with an
   * instance in standby; rejects with the reason in one line, having put
   * everything away. A successor is measured more strictly: the instance that it
   * is to replace serves.
   */
  launch(
    source: PluginSource,
    generation: number,
    signal: AbortSignal,
    successor?: boolean,
  ): Promise<Launched>;
}

/** What a launcher needs of its host. */
export interface LauncherOptions {
  readonly hostVersion: string;
  readonly directory: EndpointDirectory;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onChange: (change: InstanceChange) => void;
  /** Hears what is worth telling of an instance beside its states. */
  readonly onNotice: (notice: InstanceNotice) => void;
  /** Connections to one instance. */
  readonly channels: number;
}

/** Longest wait for a process that was killed, in milliseconds: the kernel may hold it in a device. */
const reapMs = 5000;

/** Brings plugin instances up, as far as standby, and takes them down. */
export class Launcher implements InstanceLauncher {
  constructor(private readonly options: LauncherOptions) {}

  async launch(
    source: PluginSource,
    generation: number,
    signal: AbortSignal,
    successor = false,
  ): Promise<Launched> {
    if (source.origin.kind === 'spawn') await prepareProcesses();
    if (signal.aborted) throw GatewayError.from(signal.reason);
    const startup = new Startup(() => performance.now());
    const launched = this.begin(source);
    const { instance } = launched;
    instance.startup = startup;
    if (launched.owned) startup.reach('spawned');
    instance.capacity = source.maxInFlight;
    const bounds = new AbortController();
    const late = new GatewayError('plugin_unavailable', '');
    const timer = setTimeout(() => {
      bounds.abort(late);
    }, source.startTimeoutMs);
    const giveUp = (): void => {
      bounds.abort(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    const dead = launched.exited.then((exit) => {
      throw ended(source.name, exit);
    });
    dead.catch(() => undefined);
    // Whatever a plugin does to the conversation, the wait for it ends.
    const overtime = new Promise<never>((_resolve, reject) => {
      bounds.signal.addEventListener('abort', () => {
        reject(bounds.signal.reason as Error);
      });
    });
    overtime.catch(() => undefined);
    try {
      instance.apply('connect');
      await Promise.race([dead, overtime, launched.listening(bounds.signal)]);
      await Promise.race([dead, overtime, instance.transport.connect(bounds.signal)]);
      startup.reach('connected');
      instance.apply('connected');
      const manifest = await Promise.race([
        dead,
        overtime,
        negotiate(instance, {
          hostVersion: this.options.hostVersion,
          config: source.config,
          generation,
          signal: bounds.signal,
          callTimeoutMs: Math.min(10_000, source.startTimeoutMs),
        }),
      ]);
      instance.accept(manifest);
      instance.apply('negotiated');
      const odd = await Promise.race([
        dead,
        overtime,
        examine(instance, manifest, {
          policy: source.smokeChecks,
          successor,
          startTimeoutMs: source.startTimeoutMs,
          signal: bounds.signal,
        }),
      ]);
      for (const finding of odd) this.warn(instance, finding);
      startup.reach('validated');
      instance.apply('validated');
      instance.apply('warmed');
      return launched;
    } catch (thrown) {
      const error =
        bounds.signal.reason === late
          ? await overdue(source, instance)
          : aborted(signal)
            ? GatewayError.from(signal.reason)
            : await explain(thrown, source, launched);
      instance.apply('fail', error.message);
      await launched.dispose(0);
      instance.apply('exited');
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      // Whatever still waits for an instance that is not to be.
      bounds.abort(late);
    }
  }

  /** It is taken in all the same; people should know. */
  private warn(instance: PluginInstance, finding: string): void {
    const { plugin, version } = instance;
    this.options.log.warn({ plugin, version, check: finding }, 'plugin is odd');
    instance.tell('check', `check ${finding}`);
  }

  private begin(source: PluginSource): Launched {
    return source.origin.kind === 'attach'
      ? this.attach(source, source.origin)
      : this.spawn(source, source.origin);
  }

  private attach(source: PluginSource, origin: PluginSource['origin'] & { kind: 'attach' }): Launched {
    const transport = openTransport({
      address: origin.address,
      channels: this.options.channels,
      ...(origin.tls === undefined ? {} : { tls: origin.tls }),
    });
    return {
      instance: this.instance(source.name, origin.address, transport),
      source,
      owned: false,
      listening: () => Promise.resolve(),
      exited: new Promise(() => undefined),
      dispose: () => {
        transport.close();
        return Promise.resolve('let go');
      },
    };
  }

  private spawn(source: PluginSource, origin: PluginSource['origin'] & { kind: 'spawn' }): Launched {
    const { directory, log, channels } = this.options;
    const endpoint = directory.assign(source.name);
    const env = { ...origin.env, PLUGIN_ENDPOINT: `unix://${endpoint.path}`, PLUGIN_PARENT_GUARD: 'stdin' };
    const child = new PluginProcess(
      { plugin: source.name, command: origin.command, cwd: origin.cwd, env },
      log.child({ plugin: source.name }),
    );
    const transport = openTransport({ address: endpoint.address, channels });
    const instance = this.instance(source.name, endpoint.address, transport, child);
    let ending: Promise<string> | undefined;
    return {
      instance,
      source,
      owned: true,
      listening: (signal) => directory.appeared(endpoint, signal),
      exited: child.exited,
      dispose: (graceMs) => {
        if (graceMs === 0) child.kill();
        ending ??= this.end(instance, child, endpoint, graceMs);
        return ending;
      },
    };
  }

  private instance(
    name: string,
    address: string,
    transport: PluginTransport,
    child?: PluginProcess,
  ): PluginInstance {
    const { onChange, onNotice, now } = this.options;
    return new PluginInstance(name, address, transport, onChange, now(), child, onNotice);
  }

  /** Shutdown by the contract, then by signals to the process group; then its own socket. */
  private async end(
    instance: PluginInstance,
    child: PluginProcess,
    endpoint: Endpoint,
    graceMs: number,
  ): Promise<string> {
    let forced = '';
    if (graceMs > 0) {
      const said = instance.client
        .unary(contract.lifecycle.shutdown, { graceMs }, { timeoutMs: Math.min(graceMs, 2000) })
        .catch(() => undefined);
      await Promise.race([child.exited, said]);
      // It exits by itself; only one that does not is told by signal.
      if ((await within(child.exited, graceMs)) === undefined) {
        forced = `did not shut down within ${graceMs} ms and was told by signal; `;
        child.stop(1000).catch(() => undefined);
        await within(child.exited, 1000 + reapMs);
      }
    }
    const exit = await within(child.exited, reapMs);
    if (exit === undefined) {
      this.options.log.error({ plugin: instance.plugin, group: child.group }, 'a killed plugin does not end');
    }
    instance.transport.close();
    await this.options.directory.release(endpoint);
    return `${forced}${exit?.reason ?? 'does not end'}`;
  }
}

/** Asked anew: it may have fired since. */
function aborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** What the promise comes to, or undefined after some time; leaves no timer behind. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    const late = sleep(ms, undefined, { signal: timer.signal });
    late.catch(() => undefined);
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

function ended(plugin: string, { reason }: ProcessExit): GatewayError {
  return new GatewayError('plugin_unavailable', `plugin ${plugin} ${reason}`, { plugin });
}

async function overdue(source: PluginSource, instance: PluginInstance): Promise<GatewayError> {
  const { name, startTimeoutMs, origin } = source;
  if (origin.kind === 'attach' && instance.state === 'connecting') {
    const why = await connectionFailure(instance.transport, origin);
    return new GatewayError(
      'plugin_unavailable',
      `plugin ${name} was not reached at ${origin.address} within ${startTimeoutMs} ms: ${why}`,
      { plugin: name },
    );
  }
  const what = origin.kind === 'spawn' ? 'was not ready' : `was not reached at ${origin.address}`;
  return new GatewayError(
    'plugin_unavailable',
    `plugin ${name} ${what} within ${startTimeoutMs} ms (${instance.state}${instance.reason === '' ? '' : `: ${instance.reason}`})`,
    { plugin: name },
  );
}

/** What went wrong, in one line: an exit says more than a lost connection. */
async function explain(thrown: unknown, source: PluginSource, launched: Launched): Promise<GatewayError> {
  if (!launched.owned) return GatewayError.from(thrown);
  // A call fails a moment before the process is reaped.
  const exit = await Promise.race([launched.exited, sleep(300, undefined, { ref: false })]);
  return exit === undefined ? GatewayError.from(thrown) : ended(source.name, exit);
}
