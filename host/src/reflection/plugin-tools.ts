import { createHash } from 'node:crypto';
import type { JsonValue } from '@bufbuild/protobuf';
import { GatewayError } from '../errors/gateway-error.js';
import type { PluginRegistry } from '../registry/plugin-registry.js';
import type { PluginSlot } from '../registry/plugin-slot.js';
import type { LeftOutTool, LeftOutTools } from './left-out-tools.js';
import type { ReflectedMethod } from './reflected-method.js';

/** A tool that a plugin brings, under the name that callers use. */
export interface PluginTool extends ReflectedMethod {
  readonly name: string;
  readonly plugin: string;
}

/** Bounds of one call of a tool. */
export interface ToolCallBounds {
  readonly signal: AbortSignal;
  /** Milliseconds; 0 is no limit. */
  readonly timeoutMs: number;
  /** Hears each message of a streaming method as it comes. */
  readonly onMessage?: (message: JsonValue) => void;
}

/** Most messages and bytes of a streaming tool that are kept for the answer. */
const maxMessages = 1000;
const maxBytes = 32 * 1024 * 1024;
/** Longest call of a tool whose caller sets no limit, in milliseconds. */
const maxCallMs = 3_600_000;

const validName = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * The tools of all plugins. The set follows the active instances; a plugin that
 * is away for a moment (it crashed, backs off, is exchanged or says that it does
 * not serve) keeps its tools, so that nobody is told of a change that is none. One
 * that was stopped has none. Calls lease the instance that is active at that moment.
 */
export class PluginTools {
  private readonly bySlot = new Map<string, readonly PluginTool[]>();
  private tools: readonly PluginTool[] = [];
  private byName = new Map<string, PluginTool>();
  private hash = hashOf([]);
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly registry: PluginRegistry,
    /** Prefix of a plugin's tools; undefined is its name and a dot. */
    private readonly prefixOf: (plugin: string) => string | undefined,
    /** Hears of those that are left out. */
    private readonly leftOut: LeftOutTools,
  ) {
    registry.onActiveChanged((slot) => {
      this.follow(slot);
    });
    registry.onRemoved((plugin) => {
      this.forget(plugin);
    });
  }

  /** All tools in the order of their names; the same array until the set changes. */
  list(): readonly PluginTool[] {
    return this.tools;
  }

  /** Calls `listener` when, and only when, the set has changed. */
  onChanged(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Takes those that the MCP door does not show. */
  notShown(refused: readonly { readonly name: string; readonly reason: string }[]): void {
    const leftOut = refused.flatMap(({ name: tool, reason: why }) => {
      const plugin = this.byName.get(tool)?.plugin;
      return plugin === undefined ? [] : [{ plugin, tool, why }];
    });
    this.leftOut.take('mcp', leftOut);
  }

  /** Forgets the tools of a plugin that was taken out. */
  forget(plugin: string): void {
    if (this.bySlot.delete(plugin)) this.rebuild();
  }

  /** Calls a tool; a streaming one resolves with the list of its messages. */
  async call(name: string, args: JsonValue, bounds: ToolCallBounds): Promise<JsonValue> {
    const known = this.byName.get(name);
    if (known === undefined)
      throw new GatewayError('not_found', `there is no tool named ${JSON.stringify(name)}`);
    const lease = await this.registry.lease(known.plugin, bounds.signal);
    try {
      const method = lease.instance.manifest?.tools.find(
        (tool) => tool.service === known.service && tool.method === known.method,
      );
      if (method === undefined)
        throw new GatewayError('not_found', `plugin ${known.plugin} no longer has the tool ${name}`);
      const call = {
        signal: bounds.signal,
        timeoutMs: bounds.timeoutMs > 0 ? bounds.timeoutMs : maxCallMs,
      };
      if (!method.streaming) return await lease.instance.client.unary(method.wire, args, call);
      const messages: JsonValue[] = [];
      let bytes = 0;
      const { wire } = method;
      const counted: typeof wire = {
        ...wire,
        response: {
          ...wire.response,
          decode: (encoded) => {
            bytes += encoded.length;
            return wire.response.decode(encoded);
          },
        },
      };
      for await (const message of lease.instance.client.stream(counted, args, call)) {
        bounds.onMessage?.(message);
        messages.push(message);
        if (messages.length > maxMessages || bytes > maxBytes) {
          throw new GatewayError(
            'upstream_error',
            `tool ${name} sent more than ${maxMessages} messages or ${maxBytes} bytes`,
          );
        }
      }
      return messages;
    } finally {
      lease.release();
    }
  }

  private follow(slot: PluginSlot): void {
    const manifest = slot.active?.manifest;
    // One that is taken out, or ends with the host, is forgotten elsewhere or not at all.
    if (slot.status.state === 'stopped' && !slot.closed.aborted) this.forget(slot.name);
    if (manifest === undefined) return;
    const prefix = this.prefixOf(slot.name) ?? `${slot.name}.`;
    this.bySlot.set(
      slot.name,
      manifest.tools.map((tool) => ({ ...tool, name: `${prefix}${tool.tool}`, plugin: slot.name })),
    );
    this.rebuild();
  }

  private rebuild(): void {
    const byName = new Map<string, PluginTool>();
    const leftOut: LeftOutTool[] = [];
    for (const plugin of [...this.bySlot.keys()].sort()) {
      for (const tool of this.bySlot.get(plugin) ?? []) {
        const taken = byName.get(tool.name);
        if (!validName.test(tool.name)) {
          leftOut.push({ plugin, tool: JSON.stringify(tool.name), why: 'that is not a valid name' });
        } else if (taken !== undefined) {
          const why =
            taken.plugin === plugin
              ? 'it has two of that name'
              : `plugin ${taken.plugin} has one of that name`;
          leftOut.push({ plugin, tool: tool.name, why });
        } else byName.set(tool.name, tool);
      }
    }
    this.leftOut.take('names', leftOut);
    const tools = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const hash = hashOf(tools);
    if (hash === this.hash) return;
    this.hash = hash;
    this.tools = Object.freeze(tools);
    this.byName = byName;
    for (const listener of [...this.listeners]) listener();
  }
}

/** Of all that callers see of a set; how a tool is called is not part of it. */
function hashOf(tools: readonly PluginTool[]): string {
  return createHash('sha256')
    .update(JSON.stringify(tools.map(({ wire: _wire, ...shown }) => shown)))
    .digest('hex');
}
