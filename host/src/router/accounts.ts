import type { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance } from '../registry/instance.js';
import type { RequestContext } from '../request-context.js';
import { outcomeOf, type UsageLedger, type UsageRecord } from '../telemetry/usage-ledger.js';
import type { GenerationEnd } from './generation.js';
import type { Served } from './inference.js';

/** Where ends of requests are written down. */
export interface AccountsOptions {
  readonly ledger: UsageLedger;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
}

type Figures = Omit<
  UsageRecord,
  'requestId' | 'model' | 'plugin' | 'pluginVersion' | 'instanceId' | 'door' | 'at' | 'durationMs'
>;

/** Writes down how requests ended: in the ledger, and in the track record of the instance. */
export class Accounts {
  constructor(private readonly options: AccountsOptions) {}

  /** A generation ended. What was cut counts as a lower bound. */
  generation(
    operation: 'chat' | 'completion',
    end: GenerationEnd,
    served: Served,
    instance: Pick<PluginInstance, 'track'>,
    context: RequestContext,
  ): void {
    const { error, usage, pieces, firstAt } = end;
    const outcome = error === undefined ? 'complete' : outcomeOf[error.kind];
    // What was refused before anything came has used nothing; what was cut has used at least what came.
    const cut = error !== undefined && (outcome !== 'refused' || pieces > 0 || usage !== undefined);
    const firstTokenMs = firstAt === undefined ? undefined : firstAt - context.receivedAt;
    instance.track.note(faultOfPlugin(error), firstTokenMs);
    this.record(served, context, {
      operation,
      outcome,
      inputTokens: usage?.inputTokens,
      outputTokens: usage?.outputTokens ?? (cut && pieces > 0 ? pieces : undefined),
      partial: cut || (usage?.partial ?? false),
      estimated: (usage?.estimated ?? false) || (cut && usage?.outputTokens === undefined),
      firstTokenMs,
    });
  }

  /** A request to embed ended. */
  embedding(
    served: Served,
    instance: Pick<PluginInstance, 'track'>,
    context: RequestContext,
    inputTokens: number | undefined,
    error: GatewayError | undefined,
  ): void {
    instance.track.note(faultOfPlugin(error), undefined);
    const outcome = error === undefined ? 'complete' : outcomeOf[error.kind];
    this.record(served, context, {
      operation: 'embed',
      outcome,
      inputTokens,
      outputTokens: undefined,
      partial: error !== undefined && outcome !== 'refused',
      estimated: false,
      firstTokenMs: undefined,
    });
  }

  private record(served: Served, context: RequestContext, figures: Figures): void {
    const { ledger, now, wallClock } = this.options;
    ledger.record({
      requestId: context.requestId,
      model: served.model,
      plugin: served.plugin,
      pluginVersion: served.pluginVersion,
      instanceId: served.instanceId,
      door: context.door,
      at: wallClock(),
      durationMs: now() - context.receivedAt,
      ...figures,
    });
  }
}

/** True for an error that the instance is to blame for and not the caller. */
function faultOfPlugin(error: GatewayError | undefined): boolean {
  if (error === undefined) return false;
  const outcome = outcomeOf[error.kind];
  return outcome === 'failed' || outcome === 'truncated' || outcome === 'timed_out';
}
