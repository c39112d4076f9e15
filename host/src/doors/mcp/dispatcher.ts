import { randomUUID } from 'node:crypto';
import type { Logger } from '../../telemetry/logger.js';
import { McpCatalogError, type McpCall, type McpCatalog, type ToolResult } from './catalog.js';
import type { Clock } from './clock.js';
import type { Exchange } from './exchange.js';
import type { McpLimits } from './limits.js';
import { Lists } from './lists.js';
import { ProgressRelay, type ProgressParams } from './progress-relay.js';

/** Which family of revisions a request speaks: sessions up to 2025-11-25, or 2026-07-28. */
export type Era = 'legacy' | 'modern';

/** What an adapter knows about one request. */
export interface CallOrigin {
  readonly era: Era;
  readonly exchange: Exchange;
  /** Aborted when the protocol cancels the request. */
  readonly signal: AbortSignal;
  readonly meta: Readonly<Record<string, unknown>> | undefined;
  notifyProgress(params: ProgressParams): Promise<unknown>;
}

/** What the dispatcher works with. */
export interface DispatcherOptions {
  readonly catalog: McpCatalog;
  readonly limits: McpLimits;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A JSON object of the protocol. */
export type Wire = Record<string, unknown>;

/** Answers the requests of both eras; the adapters only carry them here. */
export class Dispatcher {
  readonly lists: Lists;
  #running = 0;

  constructor(readonly options: DispatcherOptions) {
    this.lists = new Lists(options.catalog, options.limits.pageSize);
  }

  /** Calls under way. */
  get running(): number {
    return this.#running;
  }

  get capabilities(): Wire {
    return {
      tools: { listChanged: true },
      resources: { listChanged: true },
      ...(this.options.catalog.prompts().length > 0 ? { prompts: {} } : {}),
      ...(this.options.catalog.complete ? { completions: {} } : {}),
    };
  }

  /** Answers `tools/call`. */
  async callTool(name: string, args: Wire | undefined, origin: CallOrigin): Promise<Wire> {
    return this.#run(origin, async (call, relay, deadline) => {
      const result = await Promise.race([this.options.catalog.callTool(name, args ?? {}, call), deadline]);
      await relay?.close();
      return toWire(result, origin.era, relay?.dropped ?? 0);
    });
  }

  /** Answers `resources/read`. */
  readResource(uri: string, origin: CallOrigin): Promise<Wire> {
    return this.#run(origin, async (call) => ({
      contents: await this.options.catalog.readResource(uri, call),
    }));
  }

  /** Answers `prompts/get`. */
  getPrompt(name: string, args: Record<string, string> | undefined, origin: CallOrigin): Promise<Wire> {
    return this.#run(origin, async (call) => ({
      ...(await this.options.catalog.getPrompt(name, args ?? {}, call)),
    }));
  }

  /** Answers `completion/complete`. */
  complete(params: Wire, origin: CallOrigin): Promise<Wire> {
    return this.#run(origin, async () => {
      const reference = params.ref as { type: string; name?: string; uri?: string };
      const argument = params.argument as { name: string; value: string };
      const of =
        reference.type === 'ref/prompt'
          ? ({ type: 'prompt', name: reference.name ?? '' } as const)
          : ({ type: 'resource', uri: reference.uri ?? '' } as const);
      const values = (await this.options.catalog.complete?.(of, argument.name, argument.value)) ?? [];
      return {
        completion: { values: values.slice(0, 100), total: values.length, hasMore: values.length > 100 },
      };
    });
  }

  /** Gives a request its signal, its deadline, its progress, and a clean end. */
  async #run(
    origin: CallOrigin,
    work: (call: McpCall, relay: ProgressRelay | undefined, deadline: Promise<ToolResult>) => Promise<Wire>,
  ): Promise<Wire> {
    const { limits, clock, logger } = this.options;
    const abort = new AbortController();
    let callOff: () => void = () => undefined;
    // Settled before the abort: what the tool makes of the abort comes too late to be the answer.
    const deadline = new Promise<ToolResult>((resolve) => {
      callOff = clock.after(limits.callMs, () => {
        resolve(timeoutResult(limits.callMs));
        abort.abort(new Error('the call took too long'));
      });
    });
    const token = origin.meta?.progressToken;
    const relay =
      typeof token === 'string' || typeof token === 'number'
        ? new ProgressRelay(token, (params) => origin.notifyProgress(params), origin.exchange, limits, clock)
        : undefined;
    const sources = [origin.signal, origin.exchange.signal];
    const cancel = (source: AbortSignal): void => {
      relay?.silence();
      abort.abort(source.reason);
    };
    const onAbort = (event: Event): void => cancel(event.target as AbortSignal);
    for (const source of sources) {
      if (source.aborted) cancel(source);
      else source.addEventListener('abort', onAbort);
    }
    const { requestId, principal } = origin.exchange;
    const call: McpCall = {
      signal: abort.signal,
      requestId,
      ...(principal === undefined ? {} : { principal }),
      meta: origin.meta ?? {},
      ...(relay ? { progress: relay.report } : {}),
      log: logger,
    };
    this.#running += 1;
    try {
      return await work(call, relay, deadline);
    } catch (thrown) {
      throw this.#fault(thrown, requestId);
    } finally {
      this.#running -= 1;
      callOff();
      for (const source of sources) source.removeEventListener('abort', onAbort);
      await relay?.close();
    }
  }

  /** What nobody meant is logged under an id and goes out without its text. */
  #fault(thrown: unknown, requestId: string): McpCatalogError {
    if (thrown instanceof McpCatalogError) return thrown;
    const id = randomUUID();
    this.options.logger.error({ err: thrown, requestId, faultId: id }, 'a request to the MCP door failed');
    return new McpCatalogError('internal', `internal error ${id}; the log has the details under this id`);
  }
}

function timeoutResult(ms: number): ToolResult {
  const message = `timed out after ${Math.round(ms / 1000)} s`;
  return {
    content: [{ type: 'text', text: message }],
    structuredContent: { error: { kind: 'total_timeout', message } },
    isError: true,
  };
}

/** Up to 2025-11-25 structured content must be an object. */
function toWire(result: ToolResult, era: Era, dropped: number): Wire {
  const { structuredContent, meta, content, isError } = result;
  const fits = era === 'modern' || isObject(structuredContent);
  const fullMeta = dropped > 0 ? { ...meta, 'outrigger/progressDropped': dropped } : meta;
  return {
    ...(fullMeta ? { _meta: fullMeta } : {}),
    content,
    ...(structuredContent !== undefined && fits ? { structuredContent } : {}),
    ...(isError === true ? { isError } : {}),
  };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
