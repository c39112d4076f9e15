import { GatewayError } from '../errors/gateway-error.js';
import { OPERATIONS } from '../router/operations.js';
import type { PluginInstance } from '../registry/instance.js';
import type { PluginRegistry } from '../registry/plugin-registry.js';
import type { PluginSlot } from '../registry/plugin-slot.js';
import type { PluginSource } from '../registry/plugin-source.js';
import type { StartupSplit } from '../registry/startup.js';
import { swap, type SwapResult } from '../registry/swap.js';
import type { EventLog } from '../telemetry/event-log.js';

/** An instance as administrators see it. */
export interface InstanceView {
  readonly instanceId: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
  readonly address: string;
  /** The plugin's own process when the host started it. */
  readonly pid: number | undefined;
  /** What it says of its own health. */
  readonly serving: boolean;
  readonly inFlight: number;
  readonly served: number;
  readonly failed: number;
  /** Milliseconds to the first token, over the last requests. */
  readonly firstTokenP50Ms: number | undefined;
  readonly firstTokenP99Ms: number | undefined;
  /** How long its start took, by phase, in milliseconds; a canary's trial is part of `activateMs`. */
  readonly startup: StartupSplit;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** A plugin as administrators see it. */
export interface PluginView {
  readonly name: string;
  readonly displayName: string;
  readonly version: string;
  readonly runtime: string;
  readonly state: string;
  readonly reason: string;
  readonly origin: 'spawn' | 'attach';
  readonly restarts: number;
  readonly retryAt: number | undefined;
  /** Requests that wait for it. */
  readonly queued: number;
  readonly operations: readonly string[];
  readonly services: readonly string[];
  readonly tools: readonly string[];
  /** What is odd about it, a line each. */
  readonly warnings: readonly string[];
  readonly instances: readonly InstanceView[];
}

/** What a swap may be told. */
export interface SwapOptions {
  /** A command line (list) or an address instead of the plugin's own source. */
  readonly command?: readonly string[] | undefined;
  readonly address?: string | undefined;
  /** 0 to 1; undefined commits at once. */
  readonly canaryShare?: number | undefined;
  readonly canaryMs?: number | undefined;
  readonly canaryRequests?: number | undefined;
  readonly bakeMs?: number | undefined;
  /** Why, for the events. */
  readonly why?: string | undefined;
}

const defaults = { canaryMs: 30_000, canaryRequests: 50, bakeMs: 1000 };

/** Looks at plugins and exchanges, drains and restarts them. One at a time per plugin. */
export class PluginAdmin {
  private readonly busy = new Set<string>();

  constructor(
    private readonly registry: PluginRegistry,
    private readonly events: EventLog,
    /** What is odd about a plugin, a line each. */
    private readonly warningsOf: (plugin: string) => readonly string[] = () => [],
  ) {}

  /** All plugins in the order of their names. */
  list(): readonly PluginView[] {
    return this.registry.list().map((slot) => this.view(slot));
  }

  /** One plugin; throws not_found with the names that there are. */
  get(name: string): PluginView {
    return this.view(this.slot(name));
  }

  /** Exchanges the instance of a plugin; rejects with the reason, having changed nothing. */
  async swap(name: string, options: SwapOptions, signal: AbortSignal): Promise<SwapResult> {
    const slot = this.slot(name);
    return this.exchange(slot, sourceFrom(slot.source, options), options, signal);
  }

  /** Exchanges the instance of a plugin for one of this source, or of its own when undefined. */
  exchange(
    slot: PluginSlot,
    source: PluginSource | undefined,
    options: Omit<SwapOptions, 'command' | 'address'>,
    signal: AbortSignal,
  ): Promise<SwapResult> {
    const { name } = slot;
    return this.alone(slot, async () => {
      const why = options.why === undefined ? '' : ` (${options.why})`;
      this.events.add({
        type: 'swap',
        plugin: name,
        message: `swap begins: ${slot.active?.version ?? 'nothing'} is active${why}`,
      });
      try {
        const result = await swap(slot, {
          source,
          canaryShare: options.canaryShare,
          canaryMs: options.canaryMs ?? defaults.canaryMs,
          canaryRequests: options.canaryRequests ?? defaults.canaryRequests,
          bakeMs: options.bakeMs ?? defaults.bakeMs,
          signal,
        });
        const proof = result.verdict === '' ? '' : ` after a canary of ${result.verdict}`;
        this.events.add({
          type: 'swap',
          plugin: name,
          version: result.to,
          outcome: 'committed',
          commitMs: result.commitMs,
          prepareMs: result.prepareMs,
          pauseMs: result.pauseMs,
          message: `swapped ${result.from || 'nothing'} for ${result.to}${proof}`,
        });
        return result;
      } catch (thrown) {
        this.events.add({
          type: 'swap',
          plugin: name,
          outcome: 'refused',
          message: `swap refused: ${GatewayError.from(thrown).message}`,
        });
        throw thrown;
      }
    });
  }

  /** Drains a plugin and leaves it stopped until it is restarted or swapped. */
  async drain(name: string): Promise<void> {
    const slot = this.slot(name);
    await this.alone(slot, () => slot.stop('drained by an operator', slot.source.drainTimeoutMs));
  }

  /** Starts a stopped plugin; a running one is exchanged for a new instance of itself. */
  async restart(name: string, signal: AbortSignal): Promise<void> {
    const slot = this.slot(name);
    if (slot.active !== undefined) await this.swap(name, {}, signal);
    else {
      await this.alone(slot, () => {
        slot.start();
        return Promise.resolve();
      });
    }
  }

  private view(slot: PluginSlot): PluginView {
    return { ...view(slot), warnings: this.warningsOf(slot.name) };
  }

  private slot(name: string): PluginSlot {
    const slot = this.registry.get(name);
    if (slot !== undefined) return slot;
    const names = this.registry.list().map((one) => one.name);
    throw new GatewayError(
      'not_found',
      `there is no plugin named ${JSON.stringify(name)}; there are ${names.join(', ') || 'none'}`,
      {
        param: 'name',
      },
    );
  }

  /** Does something with a plugin while nobody else swaps, drains or starts it; a conflict otherwise. */
  async alone<T>(slot: PluginSlot, work: () => Promise<T>): Promise<T> {
    if (this.busy.has(slot.name)) {
      throw new GatewayError('conflict', `plugin ${slot.name} is being swapped or drained already`, {
        retryAfterMs: 1000,
      });
    }
    this.busy.add(slot.name);
    try {
      return await work();
    } finally {
      this.busy.delete(slot.name);
    }
  }
}

function sourceFrom(source: PluginSource, { command, address }: SwapOptions): PluginSource | undefined {
  if (command !== undefined && address !== undefined) {
    throw new GatewayError('invalid_request', 'give a command or an address, not both', { param: 'command' });
  }
  if (address !== undefined) {
    return {
      ...source,
      origin: {
        kind: 'attach',
        address,
        tls: source.origin.kind === 'attach' ? source.origin.tls : undefined,
      },
    };
  }
  if (command === undefined) return undefined;
  if (command.length === 0)
    throw new GatewayError('invalid_request', 'command is empty', { param: 'command' });
  const own = source.origin.kind === 'spawn' ? source.origin : { env: {}, cwd: undefined };
  return { ...source, origin: { kind: 'spawn', command, env: own.env, cwd: own.cwd } };
}

function view(slot: PluginSlot): Omit<PluginView, 'warnings'> {
  const manifest = slot.active?.manifest;
  const { state, reason, restarts, retryAt } = slot.status;
  const named = Object.entries(OPERATIONS);
  return {
    name: slot.name,
    displayName: manifest?.info.displayName ?? '',
    version: manifest?.info.buildVersion ?? '',
    runtime: manifest?.info.runtime ?? '',
    state,
    reason,
    origin: slot.source.origin.kind,
    restarts,
    retryAt,
    queued: slot.queued,
    operations: named
      .filter(([, value]) => manifest?.capabilities.operations.includes(value))
      .map(([name]) => name),
    services: manifest?.services ?? [],
    tools: manifest?.tools.map((tool) => tool.tool) ?? [],
    instances: slot.instances.map(viewInstance),
  };
}

function viewInstance(instance: PluginInstance): InstanceView {
  const { track } = instance;
  return {
    instanceId: instance.instanceId,
    version: instance.version,
    state: instance.state,
    reason: instance.reason,
    address: instance.address,
    pid: instance.pid,
    serving: instance.serving,
    inFlight: instance.inFlight,
    served: track.served,
    failed: track.failed,
    firstTokenP50Ms: track.firstToken(0.5),
    firstTokenP99Ms: track.firstToken(0.99),
    startup: instance.startup.split,
    since: instance.since,
  };
}
