import type { LoadModelResponse, PullModelResponse } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance } from '../registry/instance.js';
import { contract, type CallBounds } from '../registry/plugin-client.js';
import type { PluginRegistry } from '../registry/plugin-registry.js';
import type { RequestContext } from '../request-context.js';
import type { LoadBoard } from '../telemetry/load-board.js';
import type { Inference, ModelEntry } from './inference.js';
import type { ModelIndex } from './model-index.js';
import { offers, requireOperation, type OperationName } from './operations.js';

/** What the operations work with. */
export interface ModelOperationsOptions {
  readonly registry: PluginRegistry;
  readonly models: ModelIndex;
  /** Where loads are told. */
  readonly loads: LoadBoard;
  /** Longest unary call, in milliseconds; 0 is no limit. */
  readonly timeoutMs: number;
}

type Operations = Pick<
  Inference,
  'listModels' | 'getModel' | 'loadModel' | 'unloadModel' | 'pullModel' | 'deleteModel'
>;

/** Looks at models and moves them in and out, each at the plugin that has it. */
export class ModelOperations implements Operations {
  constructor(private readonly options: ModelOperationsOptions) {}

  listModels(): Promise<readonly ModelEntry[]> {
    return this.options.models.list();
  }

  async getModel(name: string): Promise<ModelEntry> {
    // Who asks for one model wants to know how it is now: an old list is asked for again first.
    await this.options.models.list();
    return this.options.models.resolve(name);
  }

  async *loadModel(name: string, context: RequestContext): AsyncIterable<LoadModelResponse> {
    const entry = await this.options.models.resolve(name);
    const steps = this.streamed(entry.plugin, 'loadModel', context, (instance) =>
      instance.client.stream(
        contract.models.loadModel,
        { model: entry.model.id, keepAlive: undefined, contextLength: undefined, options: {} },
        { signal: context.signal },
      ),
    );
    yield* this.told(steps, entry.id, 'loading', ({ fraction }) => fraction);
  }

  async unloadModel(name: string, context: RequestContext): Promise<void> {
    const entry = await this.options.models.resolve(name);
    await this.leased(entry.plugin, 'unloadModel', context, (instance) =>
      instance.client.unary(contract.models.unloadModel, { model: entry.model.id }, this.bounds(context)),
    );
    await this.options.models.refresh();
  }

  async *pullModel(
    source: string,
    plugin: string | undefined,
    context: RequestContext,
  ): AsyncIterable<PullModelResponse> {
    const steps = this.streamed(plugin ?? this.pullerOf(source), 'pullModel', context, (instance) =>
      instance.client.stream(contract.models.pullModel, { source }, { signal: context.signal }),
    );
    yield* this.told(steps, source, 'fetching', ({ totalBytes, completedBytes }) =>
      totalBytes === undefined || completedBytes === undefined || Number(totalBytes) === 0
        ? undefined
        : Number(completedBytes) / Number(totalBytes),
    );
  }

  async deleteModel(name: string, context: RequestContext): Promise<void> {
    const entry = await this.options.models.resolve(name);
    await this.leased(entry.plugin, 'deleteModel', context, (instance) =>
      instance.client.unary(contract.models.deleteModel, { model: entry.model.id }, this.bounds(context)),
    );
    await this.options.models.refresh();
  }

  /** Does something with a leased instance that offers the operation. */
  async leased<T>(
    plugin: string,
    operation: OperationName,
    context: RequestContext,
    work: (instance: PluginInstance) => Promise<T>,
  ): Promise<T> {
    const lease = await this.options.registry.lease(plugin, context.signal);
    try {
      requireOperation(lease.instance, operation);
      return await work(lease.instance);
    } finally {
      lease.release();
    }
  }

  private async *streamed<T>(
    plugin: string,
    operation: OperationName,
    context: RequestContext,
    work: (instance: PluginInstance) => AsyncIterable<T>,
  ): AsyncIterable<T> {
    const lease = await this.options.registry.lease(plugin, context.signal);
    try {
      requireOperation(lease.instance, operation);
      yield* work(lease.instance);
    } finally {
      lease.release();
      await this.options.models.refresh();
    }
  }

  /** Passes the steps of a load on and tells them on the board. */
  private async *told<T>(
    steps: AsyncIterable<T>,
    model: string,
    state: 'loading' | 'fetching',
    fractionOf: (step: T) => number | undefined,
  ): AsyncIterable<T> {
    const { loads } = this.options;
    const watcher = {};
    // Whoever reads the steps may stop at any time; then this is what is left to say.
    let end: LoadEnd = ['cancelled', ''];
    try {
      loads.step(watcher, model, state, undefined);
      for await (const step of steps) {
        loads.step(watcher, model, state, fractionOf(step));
        yield step;
      }
      end = ['done', ''];
    } catch (thrown) {
      end = loadEnd(GatewayError.from(thrown));
      throw thrown;
    } finally {
      loads.end(watcher, model, ...end);
    }
  }

  /** The plugin whose notation the source is written in: the longest beginning that fits wins. */
  private pullerOf(source: string): string {
    const pullers = this.options.registry
      .activeInstances()
      .filter((instance) => offers(instance, 'pullModel'));
    const fitting = pullers
      .map((instance) => ({ plugin: instance.plugin, length: longestPrefix(instance, source) }))
      .filter(({ length }) => length >= 0)
      .sort((a, b) => b.length - a.length);
    const [best, second] = fitting;
    if (best !== undefined && best.length !== second?.length) return best.plugin;
    const [only] = pullers;
    if (only === undefined)
      throw new GatewayError('unsupported_operation', 'no active plugin can fetch models');
    if (best === undefined && pullers.length === 1) {
      this.refuseWhileOthersAreAway(source, only.plugin);
      return only.plugin;
    }
    const names = (best === undefined ? pullers : fitting).map((one) => one.plugin).join(' and ');
    throw new GatewayError('invalid_request', `plugin is missing: ${names} can fetch models; name one`, {
      param: 'plugin',
    });
  }

  /** An address that nobody there is known to read may be for a plugin that will be back; a name is for who is there. */
  private refuseWhileOthersAreAway(source: string, only: string): void {
    if (!source.includes('://')) return;
    const away = this.options.registry
      .list()
      .filter((slot) => slot.active === undefined && slot.status.state !== 'stopped');
    const [first] = away;
    if (first === undefined) return;
    const names = away.map(({ name }) => name).join(' and ');
    throw new GatewayError(
      'plugin_unavailable',
      `who fetches from such an address is not known while ${names} is away; try again, or name plugin ${only}`,
      { plugin: first.name, param: 'plugin', retryAfterMs: 1000, notStarted: true },
    );
  }

  /** Bounds of a unary call for a request. */
  bounds(context: RequestContext): CallBounds {
    const { timeoutMs } = this.options;
    return timeoutMs > 0 ? { signal: context.signal, timeoutMs } : { signal: context.signal };
  }
}

type LoadEnd = readonly ['done' | 'failed' | 'cancelled', string];

/** What the end of a request says of the load that it waited for. */
export function loadEnd(error: GatewayError | undefined): LoadEnd {
  if (error === undefined) return ['done', ''];
  return error.kind === 'cancelled' ? ['cancelled', ''] : ['failed', error.message];
}

/** Length of the longest announced beginning that a source has; -1 when none fits. */
function longestPrefix(instance: PluginInstance, source: string): number {
  const prefixes = instance.manifest?.capabilities.pullPrefixes ?? [];
  return Math.max(
    -1,
    ...prefixes.filter((prefix) => source.startsWith(prefix)).map((prefix) => prefix.length),
  );
}
