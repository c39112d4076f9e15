import type { EventLog } from '../telemetry/event-log.js';
import type { Logger } from '../telemetry/logger.js';

/** A tool of a plugin that callers do not get. */
export interface LeftOutTool {
  readonly plugin: string;
  readonly tool: string;
  readonly why: string;
}

/** Who leaves tools out: the host for their names, or the MCP door for what it cannot show. */
export type LeavingOut = 'names' | 'mcp';

/** Most of them that one event names, and that are shown of one plugin. */
const most = { told: 5, shown: 20 };
const maxWords = 300;

const offer = { names: 'is not offered', mcp: 'is not offered over MCP' } as const satisfies Record<
  LeavingOut,
  string
>;

/** Tools that are left out, and why. Told in log and events when that changes, once. */
export class LeftOutTools {
  private readonly now: Record<LeavingOut, ReadonlyMap<string, readonly string[]>> = {
    names: new Map(),
    mcp: new Map(),
  };

  constructor(
    private readonly events: Pick<EventLog, 'add'>,
    private readonly log: Logger,
  ) {}

  /** Takes all that are left out for one cause now. */
  take(cause: LeavingOut, leftOut: readonly LeftOutTool[]): void {
    const next = new Map<string, string[]>();
    for (const { plugin, tool, why } of leftOut) {
      const line = `tool ${tool} ${offer[cause]}: ${why}`.slice(0, maxWords);
      next.set(plugin, [...(next.get(plugin) ?? []), line]);
    }
    const before = this.now[cause];
    this.now[cause] = next;
    for (const [plugin, lines] of next) {
      if (lines.join('\n') === before.get(plugin)?.join('\n')) continue;
      const message = bounded(lines, most.told).join('; ');
      this.log.warn({ plugin, tools: message }, 'tools are left out');
      this.events.add({ type: 'tools', plugin, message });
    }
  }

  /** What is left out of one plugin, a line each. */
  of(plugin: string): readonly string[] {
    const lines = [...(this.now.names.get(plugin) ?? []), ...(this.now.mcp.get(plugin) ?? [])];
    return bounded(lines, most.shown);
  }
}

function bounded(lines: readonly string[], count: number): readonly string[] {
  return lines.length <= count ? lines : [...lines.slice(0, count), `and ${lines.length - count} more`];
}
