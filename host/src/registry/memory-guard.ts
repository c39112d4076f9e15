import { readdir, readFile } from 'node:fs/promises';
import type { Logger } from '../telemetry/logger.js';
import type { PluginRegistry } from './plugin-registry.js';
import type { PluginSlot } from './plugin-slot.js';

/** What the guard works with. */
export interface MemoryGuardOptions {
  readonly registry: PluginRegistry;
  /** Exchanges a plugin that holds too much for a fresh instance of itself; the reason in one line. */
  readonly replace: (slot: PluginSlot, why: string) => Promise<unknown>;
  readonly log: Logger;
  /** Milliseconds between two looks. Default 2000. */
  readonly everyMs?: number;
  /** Memory of a process group in bytes; undefined where it cannot be told. Given by tests. */
  readonly memoryOf?: (group: number) => Promise<number | undefined>;
}

/** A plugin that could not be exchanged is left alone for this long, in milliseconds. */
const patienceMs = 60_000;

/**
 * Looks after the memory of spawned plugins that have a limit. Linux only: the
 * resident memory of the process group, pages shared between its processes
 * counted in each.
 */
export class MemoryGuard {
  private timer: NodeJS.Timeout | undefined;
  private readonly notBefore = new Map<string, number>();
  private looking: Promise<void> | undefined;

  constructor(private readonly options: MemoryGuardOptions) {}

  start(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => {
        this.looking = undefined;
      });
    }, this.options.everyMs ?? 2000);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** Looks at all plugins once. */
  async look(): Promise<void> {
    const { registry, replace, log, memoryOf = groupMemory } = this.options;
    for (const slot of registry.list()) {
      const limit = slot.source.memoryBytes;
      const { active } = slot;
      if (limit === undefined || active?.group === undefined) continue;
      if (performance.now() < (this.notBefore.get(slot.name) ?? 0)) continue;
      const used = await memoryOf(active.group);
      if (used === undefined || used <= limit || slot.active !== active) continue;
      const why = `it holds ${mebibytes(used)} MiB of memory and may hold ${mebibytes(limit)}`;
      log.warn({ plugin: slot.name, usedBytes: used, limitBytes: limit }, 'plugin holds too much memory');
      this.notBefore.set(slot.name, performance.now() + patienceMs);
      try {
        await replace(slot, why);
        this.notBefore.delete(slot.name);
      } catch (thrown) {
        log.warn({ plugin: slot.name, err: thrown }, 'plugin could not be exchanged');
      }
    }
  }
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

/** Resident memory of all processes of a group in bytes; undefined without /proc. */
export async function groupMemory(group: number): Promise<number | undefined> {
  let pids: string[];
  try {
    pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  const sizes = await Promise.all(pids.map((pid) => memoryIn(pid, group)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function memoryIn(pid: string, group: number): Promise<number> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything; the group is the third field after it.
    const [, , own] = line.slice(line.lastIndexOf(')') + 2).split(' ');
    if (Number(own) !== group) return 0;
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    // It ended while we looked.
    return 0;
  }
}
