/** A tool that a plugin brings, as doors see it. */
export interface PluginToolView {
  readonly name: string;
  readonly plugin: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly outputSchema: Readonly<Record<string, unknown>>;
  readonly streaming: boolean;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly idempotent: boolean;
  readonly openWorld: boolean;
  /** The answer is content (text, pictures, …) and not data. */
  readonly typedContent: boolean;
}

/** Bounds of one call. */
export interface PluginToolBounds {
  readonly signal: AbortSignal;
  /** Milliseconds; 0 is no limit. */
  readonly timeoutMs: number;
  /** Hears each message of a streaming tool as it comes. */
  readonly onMessage?: (message: unknown) => void;
}

/** The tools of all plugins, as doors use them. */
export interface PluginToolPort {
  list(): readonly PluginToolView[];
  onChanged(listener: () => void): () => void;
  /** Takes all that the MCP door does not show now, and why. */
  notShown(refused: readonly { readonly name: string; readonly reason: string }[]): void;
  /** `args` is a JSON value that satisfies the input schema; the answer is JSON. Rejects with GatewayError. */
  call(name: string, args: never, bounds: PluginToolBounds): Promise<unknown>;
}
