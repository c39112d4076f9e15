import { HealthCheckResponse, HealthCheckResponse_ServingStatus, SwapMode, grpcCode } from '@outrigger/proto';
import type { Logger } from '../../telemetry/logger.js';
import { PluginInstance, type InstanceChange, type PluginManifest } from '../instance.js';
import type { InstanceLauncher, Launched } from '../launcher.js';
import type { ProcessExit } from '../plugin-process.js';
import type { PluginSource } from '../plugin-source.js';
import type { CallSink, PluginTransport } from '../transport.js';

/** A log that keeps nothing. */
export const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** A source for tests; fast in everything. */
export function testSource(over: Partial<PluginSource> = {}): PluginSource {
  return {
    name: 'fake',
    origin: { kind: 'spawn', command: ['fake'], env: {}, cwd: undefined },
    config: {},
    swapMode: undefined,
    startTimeoutMs: 1000,
    drainTimeoutMs: 60_000,
    restart: { minDelayMs: 1, maxDelayMs: 4, resetAfterMs: 60_000 },
    maxInFlight: 1000,
    memoryBytes: undefined,
    smokeChecks: 'refuse',
    liveness: { intervalMs: 0, timeoutMs: 1, misses: 1 },
    watch: [],
    ...over,
  };
}

/** An instance without a process: calls stay open until it is killed or put away. */
export class FakeInstance implements Launched {
  readonly owned = true;
  readonly instance: PluginInstance;
  readonly exited: Promise<ProcessExit>;
  disposed = false;
  /** Requests that held it when it was put away without having crashed. */
  leasesAtDisposal = 0;
  crashed = false;
  private end: (exit: ProcessExit) => void = () => undefined;
  private readonly sinks = new Set<CallSink>();
  private readonly watchers = new Set<CallSink>();

  constructor(
    public source: PluginSource,
    id: number,
    onChange: (change: InstanceChange) => void,
    /** What it says of itself beside its ids. */
    manifest: {
      name?: string;
      services?: readonly string[];
      operations?: readonly number[];
      swapMode?: number;
      /** Names of its tools. */
      tools?: readonly string[];
    } = {},
  ) {
    const transport: PluginTransport = {
      call: (path, _deadline, sink) => this.call(path, sink),
      invoke: (path, request, _deadline, sink) => {
        const call = this.call(path, sink);
        call.send(request);
        return call;
      },
      multiplex: () => undefined,
      connect: () => Promise.resolve(),
      connected: () => !this.crashed,
      cut: (message) => this.endAll(message),
      close: () => this.endAll('closed'),
    };
    this.instance = new PluginInstance(source.name, `fake:${id}`, transport, onChange, 0, {
      group: id,
      pid: id,
    });
    this.instance.capacity = source.maxInFlight;
    this.instance.accept({
      info: { name: manifest.name ?? source.name, buildVersion: `1.0.${id}`, instanceId: `i${id}` },
      capabilities: {
        operations: manifest.operations ?? [],
        parameters: [],
        embedParameters: [],
        swapMode: manifest.swapMode ?? SwapMode.SWAP_MODE_OVERLAP,
      },
      services: manifest.services ?? [],
      tools: (manifest.tools ?? []).map((tool) => ({ tool, service: 'a.B', method: tool })),
    } as unknown as PluginManifest);
    this.exited = new Promise((resolve) => {
      this.end = resolve;
    });
    for (const event of ['connect', 'connected', 'negotiated', 'validated', 'warmed'] as const) {
      this.instance.apply(event);
    }
  }

  /** The process dies. */
  crash(): void {
    if (this.disposed || this.crashed) return;
    this.crashed = true;
    this.end({ code: 7, signal: undefined, reason: 'exited with status 7' });
    this.endAll('gone');
  }

  /** It says of its health. */
  say(serving: boolean): void {
    const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
    const bytes = HealthCheckResponse.encode({ status: serving ? SERVING : NOT_SERVING }).finish();
    for (const sink of this.watchers) if (this.sinks.has(sink)) sink.message(Buffer.from(bytes));
  }

  listening(): Promise<void> {
    return Promise.resolve();
  }

  dispose(): Promise<string> {
    if (!this.disposed) {
      this.disposed = true;
      if (!this.crashed) this.leasesAtDisposal = this.instance.inFlight;
      this.end({ code: 0, signal: undefined, reason: 'exited with status 0' });
      this.endAll('disposed');
    }
    return Promise.resolve('exited with status 0');
  }

  private call(path: string, sink: CallSink): ReturnType<PluginTransport['call']> {
    this.sinks.add(sink);
    const end = (code: number): void => {
      if (this.sinks.delete(sink)) sink.end({ code, message: '', details: undefined });
    };
    let first = path.endsWith('/Watch');
    if (first) this.watchers.add(sink);
    return {
      send: () => {
        if (path.endsWith('/Drain') || path.endsWith('/Shutdown')) queueMicrotask(() => end(grpcCode.OK));
        else if (this.crashed) queueMicrotask(() => end(grpcCode.UNAVAILABLE));
      },
      halfClose: () => undefined,
      read: () => {
        if (!first) return;
        first = false;
        const status = HealthCheckResponse_ServingStatus.SERVING;
        sink.message(Buffer.from(HealthCheckResponse.encode({ status }).finish()));
      },
      cancel: () => {
        end(grpcCode.CANCELLED);
      },
    };
  }

  private endAll(message: string): boolean {
    const open = [...this.sinks];
    this.sinks.clear();
    for (const sink of open) sink.end({ code: grpcCode.UNAVAILABLE, message, details: undefined });
    return open.length > 0;
  }
}

/** Makes fake instances. */
export class FakeLauncher implements InstanceLauncher {
  readonly made: FakeInstance[] = [];
  readonly changes: InstanceChange[] = [];
  /** Set to an error: starts fail with it. */
  failing: Error | undefined;
  manifest: ConstructorParameters<typeof FakeInstance>[3] = {};
  starts = 0;
  /** What each start is ended by. */
  readonly signals: AbortSignal[] = [];
  /** Starts wait for it. */
  held: Promise<void> = Promise.resolve();
  /** Looks at the world in the middle of every change. */
  onChange: () => void = () => undefined;

  async launch(source: PluginSource, _generation: number, signal: AbortSignal): Promise<Launched> {
    this.starts += 1;
    this.signals.push(signal);
    const { held } = this;
    await new Promise((resolve) => setImmediate(resolve));
    await held;
    if (signal.aborted) throw signal.reason as Error;
    if (this.failing !== undefined) throw this.failing;
    return this.make(source);
  }

  /** An instance in standby. */
  make(source: PluginSource): FakeInstance {
    const id = this.made.length + 1;
    const heard = (change: InstanceChange): void => {
      this.changes.push(change);
      this.onChange();
    };
    const made = new FakeInstance(source, id, heard, this.manifest);
    this.made.push(made);
    return made;
  }
}

/** Resolves when the condition holds; rejects after five seconds. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come to hold`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
