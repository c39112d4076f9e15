import { createHash } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import {
  IdentityDefinition,
  InferenceDefinition,
  LifecycleDefinition,
  ModelsDefinition,
  TelemetryDefinition,
  contractDescriptorSet,
  type ServiceDefinition,
} from '@outrigger/proto';
import type { Handler, Handlers } from './caller.js';
import { Calls } from './calls.js';
import { EndpointError, addressOf, clearStaleSocket, isLocal, type Endpoint } from './endpoint.js';
import { grpcImplementation } from './grpc-caller.js';
import { grpcServiceOf } from './grpc-service.js';
import { addHealth, type Health } from './health.js';
import { identityService } from './identity.js';
import { inferenceService } from './inference.js';
import type { PluginInstance } from './instance.js';
import { lifecycleService } from './lifecycle.js';
import { modelsService } from './models.js';
import { addMultiplex } from './multiplex.js';
import { ownService } from './own-services.js';
import { PluginError } from './plugin-error.js';
import { addReflection } from './reflection.js';
import { SharedLoads } from './shared-load.js';
import { signalContext } from './signal-context.js';
import { SocketFile } from './socket-file.js';
import { telemetryService } from './telemetry.js';

/** How long connections may take to close once nothing is open on them, in milliseconds. */
const closingBound = 500;

function bounded(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), milliseconds);
    work.then(
      () => {
        clearTimeout(timer);
        resolve(true);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

/** The gRPC server of one plugin instance. */
export class PluginServer {
  readonly #server: Server;
  readonly #instance: PluginInstance;
  readonly #health: Health;
  readonly #loads: SharedLoads;
  #socket: SocketFile | undefined;
  #stopping: Promise<void> | undefined;

  constructor(instance: PluginInstance) {
    this.#instance = instance;
    this.#loads = new SharedLoads(instance);
    this.#server = new Server({
      'grpc.max_receive_message_length': instance.maxReceiveBytes,
      'grpc.max_send_message_length': -1,
      'grpc.enable_channelz': 0,
    });
    const calls = new Calls(instance);
    const services: [ServiceDefinition, Handlers | undefined][] = [
      [IdentityDefinition, identityService(instance, calls, () => this.#digest())],
      [LifecycleDefinition, lifecycleService(instance, calls)],
      [ModelsDefinition, modelsService(instance, calls, this.#loads)],
      [InferenceDefinition, inferenceService(instance, calls)],
      [TelemetryDefinition, telemetryService(instance, calls)],
    ];
    for (const service of instance.definition.services ?? []) {
      services.push([service.definition, ownService(service, calls)]);
    }
    const carried = new Map<string, Handler>();
    for (const [definition, handlers] of services) {
      if (handlers === undefined) continue;
      if (instance.served.includes(definition.fullName)) {
        throw new TypeError(`service ${definition.fullName} is defined twice`);
      }
      this.#server.addService(grpcServiceOf(definition), grpcImplementation(handlers));
      instance.served.push(definition.fullName);
      for (const [key, handler] of Object.entries(handlers)) {
        const method = definition.methods[key];
        if (method !== undefined) carried.set(`/${definition.fullName}/${method.name}`, handler);
      }
    }
    addMultiplex(this.#server, instance, carried);
    this.#health = addHealth(this.#server, instance, [...instance.served]);
    addReflection(this.#server, instance, () => this.#descriptorSets());
    let serving = true;
    instance.work.watch(() => {
      // Watchers hear of changes only, and not of every request that comes and goes.
      if (serving === !instance.work.draining) return;
      serving = !instance.work.draining;
      this.#health.set(serving);
    });
  }

  #descriptorSets(): Uint8Array[] {
    return [
      contractDescriptorSet(),
      ...(this.#instance.definition.services ?? []).map((own) => own.descriptorSet),
    ];
  }

  #digested: string | undefined;
  /** Descriptor sets written one after the other are one descriptor set, so one digest covers all. */
  #digest(): string {
    if (this.#digested === undefined) {
      const hash = createHash('sha256');
      for (const set of this.#descriptorSets()) hash.update(set);
      this.#digested = hash.digest('hex');
    }
    return this.#digested;
  }

  /**
   * Listens and returns the address, with the port that was taken.
   * @throws EndpointError
   */
  async listen(endpoint: Endpoint): Promise<string> {
    const address = addressOf(endpoint);
    let socket: SocketFile | undefined;
    if (endpoint.kind === 'unix') {
      await clearStaleSocket(endpoint.path);
      socket = new SocketFile(endpoint.path);
    }
    if (!isLocal(endpoint)) {
      this.#instance.log.warn(
        'listening beyond this machine without TLS; anybody who reaches the port may call',
        {
          address,
        },
      );
    }
    // The socket must never be open to others, not even between its creation and a chmod.
    const umask = socket === undefined ? undefined : process.umask(0o177);
    let port: number;
    try {
      port = await new Promise<number>((resolve, reject) => {
        const target = socket === undefined ? address : `unix:${socket.hidden}`;
        this.#server.bindAsync(target, ServerCredentials.createInsecure(), (error, bound) =>
          error === null ? resolve(bound) : reject(error),
        );
      });
    } catch (error) {
      throw new EndpointError(
        address,
        `cannot listen: ${error instanceof Error ? error.message : String(error)}`,
      );
    } finally {
      if (umask !== undefined) process.umask(umask);
    }
    if (endpoint.kind === 'tcp') return addressOf({ ...endpoint, port });
    if (socket !== undefined) {
      this.#socket = socket;
      await chmod(socket.hidden, 0o600);
      await socket.show();
    }
    return address;
  }

  /** Refuses new work and resolves when nothing is in flight or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#instance.work.setDraining(true);
    await this.#instance.work.idle(signal);
  }

  /**
   * Ends everything: open calls fail with UNAVAILABLE (DRAINING), the plugin frees
   * what it holds within `graceMs`, the socket is closed and removed. Never throws.
   */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<void> {
    const { work, log, definition } = this.#instance;
    const reason = new PluginError('DRAINING', 'the plugin has stopped; send the request to its successor');
    work.setDraining(true);
    this.#loads.cut(reason);
    work.cut(reason);
    const removed = this.#socket?.remove();
    const closed = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    const controller = new AbortController();
    try {
      const context = signalContext(controller.signal, {
        requestId: '',
        deadline: Date.now() + graceMs,
        log,
      });
      const stopped = definition.stop?.(context) ?? Promise.resolve();
      if (!(await bounded(stopped, graceMs))) log.error('stop() took longer than its grace', { graceMs });
    } catch (error) {
      log.error('stop() failed', { error });
    } finally {
      controller.abort(new DOMException('the grace of the plugin has passed', 'TimeoutError'));
    }
    // A client that neither reads nor leaves would keep its connection open for ever.
    if (!(await bounded(closed, closingBound))) this.#server.forceShutdown();
    await removed;
  }
}
