import { Progress_Stage, type EmbedRequest, type GenerateRequest } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { Lease, PluginInstance } from '../registry/instance.js';
import { contract } from '../registry/plugin-client.js';
import type { PluginRegistry } from '../registry/plugin-registry.js';
import type { RequestContext } from '../request-context.js';
import type { LoadBoard } from '../telemetry/load-board.js';
import type { UsageLedger } from '../telemetry/usage-ledger.js';
import { Roster } from '../roster.js';
import { Accounts } from './accounts.js';
import { ActiveGeneration, type GenerationLimits } from './generation.js';
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
import { loadEnd, ModelOperations } from './model-operations.js';
import { requireOperation } from './operations.js';
import { negotiateEmbed, negotiateGenerate, unsupportedPolicy } from './parameters.js';

/** What the router works with. */
export interface RouterOptions {
  readonly registry: PluginRegistry;
  readonly models: ModelIndex;
  readonly ledger: UsageLedger;
  readonly loads: LoadBoard;
  readonly limits: GenerationLimits;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
}

/** How often a request that no instance has begun is offered to another one. */
const maxAttempts = 3;

/** A plugin that has said nothing for so long, in milliseconds, has no room for the request. */
const slowStartMs = 1000;

/** From a model's name to an instance that works on the request. */
export class Router extends ModelOperations implements Inference {
  private readonly accounts: Accounts;
  private readonly generations = new Roster<ActiveGeneration>();

  constructor(private readonly parts: RouterOptions) {
    super({
      registry: parts.registry,
      models: parts.models,
      loads: parts.loads,
      timeoutMs: parts.limits.totalMs,
    });
    this.accounts = new Accounts(parts);
  }

  async generate(call: GenerateCall, context: RequestContext): Promise<Generation> {
    const { models, limits, now, loads } = this.parts;
    const entry = models.peek(call.model) ?? (await models.resolve(call.model));
    let attempts = 1;
    // One caller may ask several models with one context.
    const watcher = {};
    const first = await this.leaseFor(call.model, entry, context);
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
        const lease = await this.leaseFor(call.model, entry, context);
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
        this.generations.remove(place);
        this.accounts.generation(operationOf(call), end, served, instance, context);
      },
      progress: ({ stage, fraction }, served) => {
        if (stage === Progress_Stage.STAGE_LOADING) loads.step(watcher, served.model, 'loading', fraction);
      },
      progressed: (error, served) => {
        loads.end(watcher, served.model, ...loadEnd(error));
      },
    });
    const place = this.generations.add(generation);
    generation.start();
    return generation;
  }

  /** Requests that wait for a plugin: for an instance of it, or in it and longer than a prompt usually takes. */
  waiting(plugin: string): number {
    const before = this.parts.now() - slowStartMs;
    let count = this.parts.registry.get(plugin)?.queued ?? 0;
    for (const one of this.generations.members()) {
      if (one.served.plugin === plugin && !one.begun && one.startedAt < before) count += 1;
    }
    return count;
  }

  async embed(call: EmbedCall, context: RequestContext): Promise<Embedded> {
    const entry = await this.parts.models.resolve(call.model);
    const lease = await this.leaseFor(call.model, entry, context);
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
      instance.heard += 1;
      if (response.embeddings.length !== request.inputs.length) {
        throw new GatewayError(
          'upstream_error',
          `plugin ${instance.plugin} returned ${response.embeddings.length} embeddings for ${request.inputs.length} inputs`,
        );
      }
      this.accounts.embedding(served, instance, context, response.usage?.inputTokens, undefined);
      return { served, response };
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (served !== undefined) this.accounts.embedding(served, instance, context, undefined, error);
      throw error;
    } finally {
      lease.release();
    }
  }

  async countTokens(
    call: GenerateCall,
    context: RequestContext,
  ): Promise<{ inputTokens: number; estimated: boolean }> {
    const entry = await this.parts.models.resolve(call.model);
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

  /** A lease on the plugin of a model; `name@version/model` takes no other version. */
  private leaseFor(name: string, entry: ModelEntry, context: RequestContext): Promise<Lease> | Lease {
    const { registry } = this.parts;
    const pinned = name.split('/')[0]?.includes('@') === true;
    return pinned
      ? registry.leaseVersion(entry.plugin, entry.pluginVersion, context.signal)
      : // The signal is made when it is asked for, which most requests never need.
        (registry.tryLease(entry.plugin) ?? registry.lease(entry.plugin, context.signal));
  }

  /** The request as this instance gets it, and what it leaves out. */
  private prepare(
    call: GenerateCall,
    entry: ModelEntry,
    lease: Lease,
    context: RequestContext,
  ): { request: GenerateRequest; served: Served } {
    const { instance } = lease;
    requireOperation(instance, operationOf(call));
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
}

function operationOf({ request }: GenerateCall): 'chat' | 'completion' {
  return request.prompt === undefined ? 'chat' : 'completion';
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
