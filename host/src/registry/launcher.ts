import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { createGrpcTransport } from './grpc-transport.js';
import { negotiate } from './handshake.js';
import { PluginInstance, type InstanceChange } from './instance.js';
import { contract } from './plugin-client.js';
import { EndpointDirectory, type Endpoint } from './endpoint.js';
import { PluginProcess, type ProcessExit } from './plugin-process.js';
import type { PluginSource } from './plugin-source.js';

/** A running instance and what must be put away with it. */
export interface Launched {
  readonly instance: PluginInstance;
  /** The host started it and ends it; an attached one is only let go. */
  readonly owned: boolean;
  /** Resolves when its process has ended; never for an attached plugin. */
  readonly exited: Promise<ProcessExit>;
  /** Ends it and frees everything; `graceMs` is the time it has to end by itself. */
  dispose(graceMs: number): Promise<void>;
}

/** What a launcher needs of its host. */
export interface LauncherOptions {
  readonly hostVersion: string;
  readonly directory: EndpointDirectory;
  readonly log: Logger;
  readonly now: () => number;
  readonly onChange: (change: InstanceChange) => void;
  /** Connections to one instance. */
  readonly channels: number;
}

/** Brings plugin instances up, as far as standby, and takes them down. */
export class Launcher {
  constructor(private readonly options: LauncherOptions) {}

  /**
   * Starts or attaches an instance, negotiates and warms it. Resolves with an
   * instance in standby; rejects with the reason in one line, having put
   * everything away.
   */
  async launch(source: PluginSource, generation: number, signal: AbortSignal): Promise<Launched> {
    const launched = this.begin(source);
    const { instance } = launched;
    const deadline = AbortSignal.timeout(source.startTimeoutMs);
    const bounds = AbortSignal.any([signal, deadline]);
    const dead = launched.exited.then((exit) => {
      throw new GatewayError('plugin_unavailable', `plugin ${source.name} ${exit.reason}`, {
        plugin: source.name,
      });
    });
    dead.catch(() => undefined);
    try {
      instance.apply('connect');
      await Promise.race([dead, instance.transport.connect(bounds)]);
      instance.apply('connected');
      const manifest = await Promise.race([
        dead,
        negotiate(instance, {
          hostVersion: this.options.hostVersion,
          config: source.config,
          generation,
          signal: bounds,
          callTimeoutMs: Math.min(10_000, source.startTimeoutMs),
        }),
      ]);
      instance.accept(manifest);
      instance.apply('negotiated');
      instance.apply('validated');
      instance.apply('warmed');
      return launched;
    } catch (thrown) {
      const error = await explain(thrown, source, deadline, launched);
      instance.apply('fail', error.message);
      await launched.dispose(0);
      instance.apply('exited');
      throw error;
    }
  }

  private begin(source: PluginSource): Launched {
    const { origin } = source;
    if (origin.kind === 'attach') {
      const transport = createGrpcTransport({
        address: origin.address,
        channels: this.options.channels,
        ...(origin.tls === undefined ? {} : { tls: origin.tls }),
      });
      const instance = this.instance(source.name, origin.address, transport);
      return {
        instance,
        owned: false,
        exited: new Promise(() => undefined),
        dispose: () => {
          transport.close();
          return Promise.resolve();
        },
      };
    }
    const endpoint = this.options.directory.assign(source.name);
    const child = new PluginProcess(
      {
        plugin: source.name,
        command: origin.command,
        cwd: origin.cwd,
        env: {
          ...origin.env,
          PLUGIN_ENDPOINT: `unix://${endpoint.path}`,
          PLUGIN_PARENT_GUARD: 'stdin',
        },
      },
      this.options.log.child({ plugin: source.name }),
    );
    const transport = createGrpcTransport({ address: endpoint.address, channels: this.options.channels });
    const instance = this.instance(source.name, endpoint.address, transport, child.pid);
    return {
      instance,
      owned: true,
      exited: child.exited,
      dispose: (graceMs) => this.end(instance, child, endpoint, graceMs),
    };
  }

  private instance(
    name: string,
    address: string,
    transport: ReturnType<typeof createGrpcTransport>,
    pid?: number,
  ): PluginInstance {
    return new PluginInstance(name, address, transport, this.options.onChange, this.options.now(), pid);
  }

  /** Shutdown by the contract, then by signals to the process group; then its own socket. */
  private async end(
    instance: PluginInstance,
    child: PluginProcess,
    endpoint: Endpoint,
    graceMs: number,
  ): Promise<void> {
    if (graceMs > 0) {
      await instance.client
        .unary(contract.lifecycle.shutdown, { graceMs }, { timeoutMs: Math.min(graceMs, 2000) })
        .catch(() => undefined);
      // It exits by itself; only one that does not is told by signal.
      await Promise.race([child.exited, sleep(graceMs, undefined, { ref: false })]);
      await child.stop(1000);
    } else {
      child.kill();
      await child.exited;
    }
    instance.transport.close();
    await this.options.directory.release(endpoint);
  }
}

/** What went wrong, in one line: an exit says more than a lost connection. */
async function explain(
  thrown: unknown,
  source: PluginSource,
  deadline: AbortSignal,
  launched: Launched,
): Promise<GatewayError> {
  if (deadline.aborted) {
    const where = source.origin.kind === 'spawn' ? 'started' : `answered at ${source.origin.address}`;
    return new GatewayError(
      'plugin_unavailable',
      `plugin ${source.name} was not ${where.startsWith('started') ? 'ready' : 'reached'} within ${source.startTimeoutMs} ms (${launched.instance.state})`,
      { plugin: source.name },
    );
  }
  if (thrown instanceof GatewayError && thrown.message.includes('exited with')) return thrown;
  // A call fails a moment before the process is reaped.
  const exit = await Promise.race([launched.exited, sleep(200, undefined, { ref: false })]);
  if (exit !== undefined) {
    return new GatewayError('plugin_unavailable', `plugin ${source.name} ${exit.reason}`, {
      plugin: source.name,
    });
  }
  return GatewayError.from(thrown);
}
