import {
  MultiplexDefinition,
  type GetCapabilitiesResponse,
  type GetPluginInfoResponse,
} from '@outrigger/proto';
import { leasable, nextState, type InstanceEvent, type InstanceState } from './instance-state.js';
import { readParameters, type ParameterSet } from './parameter-set.js';
import type { ReflectedMethod } from '../reflection/reflected-method.js';
import { PluginClient } from './plugin-client.js';
import type { ProcessNumbers } from './plugin-process.js';
import { Startup } from './startup.js';
import { TrackRecord } from './track-record.js';
import type { PluginTransport } from './transport.js';

/** What a plugin said of itself when it was connected. */
export interface PluginManifest {
  readonly info: GetPluginInfoResponse;
  readonly capabilities: GetCapabilitiesResponse;
  /** Full names of the services that reflection lists, sorted. */
  readonly services: readonly string[];
  /** Methods of its own services that are tools. */
  readonly tools: readonly ReflectedMethod[];
}

/** What changed about an instance. */
export interface InstanceChange {
  readonly instance: PluginInstance;
  readonly from: InstanceState;
  readonly to: InstanceState;
  readonly event: InstanceEvent;
  readonly reason: string;
}

/** Something about an instance that people should know. */
export interface InstanceNotice {
  readonly instance: PluginInstance;
  /** As in the events. */
  readonly type: 'start' | 'check' | 'health' | 'swap';
  readonly message: string;
}

/**
 * One running process of a plugin, from discovery to its end. It counts the
 * requests that lease it; nothing else in the host may decide that it is idle.
 */
export class PluginInstance {
  /** When the host first knew of it, in milliseconds since the epoch. */
  readonly since: number;
  state: InstanceState = 'discovered';
  /** Why it is in its state, one line. */
  reason = '';
  manifest: PluginManifest | undefined;
  parameters: ParameterSet = { generate: new Map(), embed: new Map() };
  readonly track = new TrackRecord();
  readonly client: PluginClient;
  /** Resolves with the reason when a call finds the connection broken. */
  readonly broken: Promise<string>;
  private breakOff: (reason: string) => void = () => undefined;
  /** Most requests that may hold it at the same time. */
  capacity = Infinity;
  /** Hears that it may be leased again: a request let go of it, or it serves again. */
  onAvailable: () => void = () => undefined;
  /** Counts signs of life: messages of its requests. */
  heard = 0;
  /** How long its start took. */
  startup = new Startup(() => performance.now());
  private isServing = true;
  private isBroken = false;
  private leases = 0;
  private idleWaiters: (() => void)[] = [];

  constructor(
    /** Name under which the host keeps it. */
    readonly plugin: string,
    readonly address: string,
    readonly transport: PluginTransport,
    private readonly onChange: (change: InstanceChange) => void,
    now: number,
    /** Its process when the host spawned it. */
    private readonly process?: ProcessNumbers,
    private readonly onNotice: (notice: InstanceNotice) => void = () => undefined,
  ) {
    this.since = now;
    this.client = new PluginClient(plugin, transport);
    this.broken = new Promise((resolve) => {
      this.breakOff = resolve;
    });
  }

  get instanceId(): string {
    return this.manifest?.info.instanceId ?? '';
  }

  get version(): string {
    return this.manifest?.info.buildVersion ?? '';
  }

  /** Number of the plugin's own process when the host spawned it. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** The process group that ends with it. */
  get group(): number | undefined {
    return this.process?.group;
  }

  /** Requests that hold it now. */
  get inFlight(): number {
    return this.leases;
  }

  /** Moves it on; false when the event is illegal in its state, which then stays. */
  apply(event: InstanceEvent, reason = ''): boolean {
    const announce = this.move(event, reason);
    announce?.();
    return announce !== undefined;
  }

  /**
   * Moves it on without telling anybody; undefined when the event is illegal in
   * its state. The returned function tells, so that a commit can be over first.
   */
  move(event: InstanceEvent, reason = ''): (() => void) | undefined {
    const from = this.state;
    const to = nextState(from, event);
    if (to === undefined) return undefined;
    this.state = to;
    // One that serves has nothing to explain: why it serves is told, and not kept.
    this.reason = to === 'active' ? '' : reason;
    return () => {
      this.onChange({ instance: this, from, to, event, reason });
    };
  }

  /** Tells people what is no change of state. */
  tell(type: InstanceNotice['type'], message: string): void {
    this.onNotice({ instance: this, type, message });
  }

  /** Takes what the plugin said of itself. */
  accept(manifest: PluginManifest): void {
    this.manifest = manifest;
    this.parameters = readParameters(manifest.capabilities);
    if (manifest.services.includes(MultiplexDefinition.fullName)) this.transport.multiplex();
  }

  /** A call found the connection broken: from now on no request gets this instance. */
  reportBroken(reason: string): void {
    this.isBroken = true;
    this.breakOff(reason);
  }

  /** False once the connection was found broken. */
  get connected(): boolean {
    return !this.isBroken;
  }

  /** False while the plugin says that it is not serving; then no request may get it. */
  get serving(): boolean {
    return this.isServing;
  }

  /** Takes what the plugin says of its health; true when that is news. */
  heardServing(serving: boolean): boolean {
    if (this.isServing === serving) return false;
    this.isServing = serving;
    if (serving) this.onAvailable();
    return true;
  }

  /** Counts a request in; undefined when it may not be leased. Release exactly once. */
  lease(): Lease | undefined {
    if (this.isBroken || !this.isServing || this.leases >= this.capacity || !leasable.has(this.state)) {
      return undefined;
    }
    this.leases += 1;
    return new Lease(this, () => {
      this.leases -= 1;
      if (this.leases === 0 && this.idleWaiters.length > 0) {
        for (const wake of this.idleWaiters.splice(0)) wake();
      }
      this.onAvailable();
    });
  }

  /** Resolves when no request holds it, or the signal fires (then it rejects). */
  whenIdle(signal: AbortSignal): Promise<void> {
    if (this.leases === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.idleWaiters = this.idleWaiters.filter((waiter) => waiter !== wake);
        reject(signal.reason as Error);
      };
      const wake = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      if (signal.aborted) onAbort();
      else {
        this.idleWaiters.push(wake);
        signal.addEventListener('abort', onAbort, { once: true });
      }
    });
  }
}

/** A request's hold on an instance. */
export class Lease {
  private held = true;

  constructor(
    readonly instance: PluginInstance,
    private readonly onRelease: () => void,
  ) {}

  /** Lets go. A second call does nothing. */
  release(): void {
    if (!this.held) return;
    this.held = false;
    this.onRelease();
  }
}
