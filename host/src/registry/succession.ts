import { SwapMode } from '@outrigger/proto';
import type { PluginInstance } from './instance.js';
import type { PluginSource } from './plugin-source.js';

/** How an instance takes over from the one before: beside it, or after it. */
export type TakeOver = 'overlap' | 'exclusive';

/** What the active instance took over from, and what is known of how another may follow it. */
export class Succession {
  /** What the active instance took over from; it may come back while it drains. */
  replaced: PluginInstance | undefined;
  /** What the last active instance called itself; a successor has to as well. */
  name: string | undefined;
  /** How the last active instance wants to be followed by another. */
  private mode: TakeOver = 'overlap';
  /** Where to start from again when the new instance of an exclusive swap crashes soon. */
  private fallback: { readonly source: PluginSource; readonly until: number } | undefined;

  constructor(
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** An instance took over. */
  committed(instance: PluginInstance, old: PluginInstance | undefined): void {
    this.name = instance.manifest?.info.name;
    this.mode = modeOf(instance);
    this.replaced = old;
    this.fallback = undefined;
  }

  /** The one before is back. */
  returned(old: PluginInstance): void {
    this.mode = modeOf(old);
    this.replaced = undefined;
  }

  /** How an instance of a source takes over: the source says, else the plugin, even while it is away. */
  modeFor(source: PluginSource): TakeOver {
    return source.swapMode ?? this.mode;
  }

  /** When the active instance is lost within this time, the plugin is started from this source again. */
  bake(source: PluginSource, bakeMs: number): void {
    this.fallback = { source, until: this.now() + bakeMs };
  }

  /** The active instance is lost: the source to go back to, if any. */
  fallBack(): PluginSource | undefined {
    const { fallback } = this;
    this.fallback = undefined;
    return fallback !== undefined && this.now() < fallback.until ? fallback.source : undefined;
  }
}

function modeOf({ manifest }: PluginInstance): TakeOver {
  return manifest?.capabilities.swapMode === SwapMode.SWAP_MODE_EXCLUSIVE ? 'exclusive' : 'overlap';
}
