import type { EmbedRequest, GenerateRequest, LoadModelResponse, PullModelResponse } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { Lease, PluginInstance } from '../registry/instance.js';
import { contract } from '../registry/plugin-client.js';
import type { PluginRegistry } from '../registry/plugin-registry.js';
import type { RequestContext } from '../request-context.js';
import { outcomeOf, type UsageLedger, type UsageRecord } from '../telemetry/usage-ledger.js';
import { ActiveGeneration, type GenerationEnd, type GenerationLimits } from './generation.js';
import type {
  EmbedCall,
  Embedded,
  GenerateCall,
  Generation,
  Inference,
  ModelEntry,
  Served,
} from './inference.js';
import type { ModelIndex } from './model-index.js';
import { offers, requireOperation, type OperationName } from './operations.js';
import { negotiateEmbed, negotiateGenerate, unsupportedPolicy } from './parameters.js';

/** What the router works with. */
export interface RouterOptions {
  readonly registry: PluginRegistry;
  readonly models: ModelIndex;
  readonly ledger: UsageLedger;
  readonly limits: GenerationLimits;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
}

/** How often a request that no instance has begun is offered to another one. */
const maxAttempts = 3;

/** From a model's name to an instance that works on the request. */
export class Router implements Inference {
  constructor(private readonly options: RouterOptions) {}

  async generate(call: GenerateCall, context: RequestContext): Promise<Generation> {
    const { registry, models, limits, now } = this.options;
    const entry = models.peek(call.model) ?? (await models.resolve(call.model));
    let attempts = 1;
    const first = await registry.lease(entry.plugin, context.signal);
    let prepared;
    try {
      prepared = this.prepare(call, entry, first, context);
    } catch (thrown) {
      first.release();
      throw thrown;
    }
    const generation = new ActiveGeneration(first, prepared.request, prepared.served, {
      limits,
      now,
      again: async (refused) => {
        attempts += 1;
        if (attempts > maxAttempts || context.signal.aborted) return undefined;
        const lease = await registry.lease(entry.plugin, context.signal);
        if (
          lease.instance.instanceId === first.instance.instanceId &&
          refused.kind !== 'plugin_unavailable'
        ) {
          lease.release();
          return undefined;
        }
        try {
          return { lease, ...this.prepare(call, entry, lease, context) };
        } catch (thrown) {
          lease.release();
          throw thrown;
        }
      },
      ended: (end, served, instance) => {
        this.settle(end, served, instance, context);
      },
    });
    generation.start();
    return generation;
  }

  async embed(call: EmbedCall, context: RequestContext): Promise<Embedded> {
    const entry = await this.options.models.resolve(call.model);
    const lease = await this.options.registry.lease(entry.plugin, context.signal);
    const { instance } = lease;
    let served: Served | undefined;
    try {
      requireOperation(instance, 'embed');
      const request: EmbedRequest = {
        ...call.request,
        model: entry.model.id,
        extensions: {},
        context: requestContext(instance, context),
      };
      const ignoredParams = negotiateEmbed(
        request,
        call.parameters,
        instance.parameters.embed,
        context.strictParams,
        instance.plugin,
      );
      served = servedBy(entry, instance, ignoredParams);
      const response = await instance.client.unary(contract.inference.embed, request, this.bounds(context));
      if (response.embeddings.length !== request.inputs.length) {
        throw new GatewayError(
          'upstream_error',
          `plugin ${instance.plugin} returned ${response.embeddings.length} embeddings for ${request.inputs.length} inputs`,
        );
      }
      this.recordEmbed(served, context, response.usage?.inputTokens, undefined);
      instance.track.note(false, undefined);
      return { served, response };
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (served !== undefined) this.recordEmbed(served, context, undefined, error);
      instance.track.note(faultOfPlugin(error), undefined);
      throw error;
    } finally {
      lease.release();
    }
  }

  async countTokens(
    call: GenerateCall,
    context: RequestContext,
  ): Promise<{ inputTokens: number; estimated: boolean }> {
    const entry = await this.options.models.resolve(call.model);
    return this.leased(entry.plugin, 'countTokens', context, async (instance) => {
      const request = { ...call.request, model: entry.model.id, context: requestContext(instance, context) };
      const { inputTokens, estimated } = await instance.client.unary(
        contract.inference.countTokens,
        { request },
        this.bounds(context),
      );
      return { inputTokens, estimated };
    });
  }

  listModels(): Promise<readonly ModelEntry[]> {
    return this.options.models.list();
  }

  getModel(name: string): Promise<ModelEntry> {
    return this.options.models.resolve(name);
  }

  async *loadModel(name: string, context: RequestContext): AsyncIterable<LoadModelResponse> {
    const entry = await this.options.models.resolve(name);
    yield* this.streamed(entry.plugin, 'loadModel', context, (instance) =>
      instance.client.stream(
        contract.models.loadModel,
        { model: entry.model.id, keepAlive: undefined, contextLength: undefined, options: {} },
        { signal: context.signal },
      ),
    );
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
    yield* this.streamed(plugin ?? this.pullerOf(source), 'pullModel', context, (instance) =>
      instance.client.stream(contract.models.pullModel, { source }, { signal: context.signal }),
    );
  }

  async deleteModel(name: string, context: RequestContext): Promise<void> {
    const entry = await this.options.models.resolve(name);
    await this.leased(entry.plugin, 'deleteModel', context, (instance) =>
      instance.client.unary(contract.models.deleteModel, { model: entry.model.id }, this.bounds(context)),
    );
    await this.options.models.refresh();
  }

  /** The request as this instance gets it, and what it leaves out. */
  private prepare(
    call: GenerateCall,
    entry: ModelEntry,
    lease: Lease,
    context: RequestContext,
  ): { request: GenerateRequest; served: Served } {
    const { instance } = lease;
    requireOperation(instance, call.request.prompt === undefined ? 'chat' : 'completion');
    const { request: asked } = call;
    const request: GenerateRequest = {
      ...asked,
      // Negotiation empties fields that this instance does not know; another one may know them.
      ...(asked.sampling === undefined ? {} : { sampling: { ...asked.sampling } }),
      ...(asked.toolChoice === undefined ? {} : { toolChoice: { ...asked.toolChoice } }),
      extensions: { ...asked.extensions },
      model: entry.model.id,
      context: requestContext(instance, context),
    };
    const ignored = negotiateGenerate(
      request,
      call.parameters,
      instance.parameters.generate,
      context.strictParams,
      instance.plugin,
    );
    return { request, served: servedBy(entry, instance, ignored) };
  }

  private settle(
    end: GenerationEnd,
    served: Served,
    instance: PluginInstance,
    context: RequestContext,
  ): void {
    const { now } = this.options;
    instance.track.note(
      faultOfPlugin(end.error),
      end.firstAt === undefined ? undefined : end.firstAt - context.receivedAt,
    );
    const cut = end.error !== undefined;
    this.record(served, context, {
      operation: 'generate',
      outcome: end.error === undefined ? 'complete' : outcomeOf[end.error.kind],
      inputTokens: end.usage?.inputTokens,
      outputTokens: end.usage?.outputTokens ?? (cut && end.pieces > 0 ? end.pieces : undefined),
      partial: cut || (end.usage?.partial ?? false),
      estimated: (end.usage?.estimated ?? false) || (cut && end.usage?.outputTokens === undefined),
      firstTokenMs: end.firstAt === undefined ? undefined : end.firstAt - context.receivedAt,
      durationMs: now() - context.receivedAt,
    });
  }

  private recordEmbed(
    served: Served,
    context: RequestContext,
    inputTokens: number | undefined,
    error: GatewayError | undefined,
  ): void {
    this.record(served, context, {
      operation: 'embed',
      outcome: error === undefined ? 'complete' : outcomeOf[error.kind],
      inputTokens,
      outputTokens: undefined,
      partial: error !== undefined,
      estimated: false,
      firstTokenMs: undefined,
      durationMs: this.options.now() - context.receivedAt,
    });
  }

  private record(
    served: Served,
    context: RequestContext,
    rest: Omit<
      UsageRecord,
      'requestId' | 'model' | 'plugin' | 'pluginVersion' | 'instanceId' | 'door' | 'at'
    >,
  ): void {
    this.options.ledger.record({
      requestId: context.requestId,
      model: served.model,
      plugin: served.plugin,
      pluginVersion: served.pluginVersion,
      instanceId: served.instanceId,
      door: context.door,
      at: this.options.wallClock(),
      ...rest,
    });
  }

  private async leased<T>(
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

  /** The plugin whose notation the source is written in: the longest beginning that fits wins. */
  private pullerOf(source: string): string {
    const pullers = this.options.registry.activeInstances().filter((instance) => offers(instance, 'pullModel'));
    const fitting = pullers
      .map((instance) => ({ plugin: instance.plugin, length: longestPrefix(instance, source) }))
      .filter(({ length }) => length >= 0)
      .sort((a, b) => b.length - a.length);
    const [best, second] = fitting;
    if (best !== undefined && best.length !== second?.length) return best.plugin;
    const [only] = pullers;
    if (only === undefined) throw new GatewayError('unsupported_operation', 'no active plugin can fetch models');
    if (best === undefined && pullers.length === 1) return only.plugin;
    const names = (best === undefined ? pullers : fitting).map((one) => one.plugin).join(' and ');
    throw new GatewayError('invalid_request', `plugin is missing: ${names} can fetch models; name one`, { param: 'plugin' });
  }

  private bounds(context: RequestContext): { signal: AbortSignal; timeoutMs?: number } {
    const { totalMs } = this.options.limits;
    return totalMs > 0 ? { signal: context.signal, timeoutMs: totalMs } : { signal: context.signal };
  }
}

/** Length of the longest announced beginning that a source has; -1 when none fits. */
function longestPrefix(instance: PluginInstance, source: string): number {
  const prefixes = instance.manifest?.capabilities.pullPrefixes ?? [];
  return Math.max(-1, ...prefixes.filter((prefix) => source.startsWith(prefix)).map((prefix) => prefix.length));
}

/** True for an error that the instance is to blame for and not the caller. */
function faultOfPlugin(error: GatewayError | undefined): boolean {
  if (error === undefined) return false;
  const outcome = outcomeOf[error.kind];
  return outcome === 'failed' || outcome === 'truncated' || outcome === 'timed_out';
}

function servedBy(entry: ModelEntry, instance: PluginInstance, ignoredParams: readonly string[]): Served {
  return {
    model: entry.id,
    plugin: instance.plugin,
    pluginVersion: instance.version,
    instanceId: instance.instanceId,
    ignoredParams,
  };
}

function requestContext(
  instance: PluginInstance,
  context: RequestContext,
): NonNullable<GenerateRequest['context']> {
  return {
    requestId: context.requestId,
    instanceId: instance.instanceId,
    traceparent: context.traceparent,
    unsupported: unsupportedPolicy(context.strictParams),
    keepAlive: undefined,
  };
}
