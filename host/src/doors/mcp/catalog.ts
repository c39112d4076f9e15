import type { Logger } from '../../telemetry/logger.js';

/**
 * The port between the MCP door and what it offers. It knows nothing of either SDK
 * and little of the protocol's message shapes, so that a revision of the protocol
 * changes the adapters and not the tools.
 */
export interface McpCatalog {
  readonly info: CatalogInfo;
  /** What a model should know before it uses the tools. */
  readonly instructions?: string;
  /** The same frozen array until the tools change. */
  tools(): readonly ToolDefinition[];
  /** Changes exactly when `tools()` does. */
  toolsVersion(): string;
  /**
   * Runs a tool. A tool that fails, and arguments that break its schema, resolve with `isError`.
   * Rejects with McpCatalogError `unknown_tool` for a name that is not in the list.
   */
  callTool(name: string, args: Readonly<Record<string, unknown>>, call: McpCall): Promise<ToolResult>;
  resources(): readonly ResourceDefinition[];
  resourceTemplates(): readonly ResourceTemplateDefinition[];
  /** Rejects with McpCatalogError `unknown_resource`. Never resolves with an empty list. */
  readResource(uri: string, call: McpCall): Promise<readonly ResourceContents[]>;
  prompts(): readonly PromptDefinition[];
  /** Rejects with McpCatalogError `unknown_prompt` or `invalid_params`. */
  getPrompt(name: string, args: Readonly<Record<string, string>>, call: McpCall): Promise<PromptResult>;
  /** Values for an argument that begin with `value`; at most 100 are shown. */
  complete?(reference: CompletionReference, argument: string, value: string): Promise<readonly string[]>;
  /** Returns the way to stop listening. */
  onToolsChanged(listener: () => void): () => void;
  onResourcesChanged(listener: () => void): () => void;
}

/** Who answers. */
export interface CatalogInfo {
  readonly name: string;
  readonly version: string;
  readonly title?: string;
}

/** A JSON Schema, dialect 2020-12 unless it says otherwise. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a client reads about a tool. */
export interface ToolDefinition {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  /** An object schema. */
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: ToolAnnotations;
}

/** Hints for the user interface of a client. */
export interface ToolAnnotations {
  readonly title?: string;
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}

/** One piece of a result. Binary data is base64. */
export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string }
  | { readonly type: 'resource'; readonly resource: ResourceContents }
  | {
      readonly type: 'resource_link';
      readonly uri: string;
      readonly name: string;
      readonly description?: string;
      readonly mimeType?: string;
    };

/** What a tool answers. */
export interface ToolResult {
  readonly content: readonly ContentPart[];
  /** Any JSON value; must satisfy the output schema where the tool has one. */
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  /** Goes out as `_meta` of the result. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** A resource as a list shows it. */
export interface ResourceDefinition {
  readonly uri: string;
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly mimeType?: string;
}

/** A family of resources. */
export interface ResourceTemplateDefinition {
  /** RFC 6570. */
  readonly uriTemplate: string;
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly mimeType?: string;
}

/** What a resource holds: text or base64. */
export type ResourceContents = { readonly uri: string; readonly mimeType?: string } & (
  { readonly text: string } | { readonly blob: string }
);

/** A prompt as a list shows it. */
export interface PromptDefinition {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly arguments?: readonly {
    readonly name: string;
    readonly description?: string;
    readonly required?: boolean;
  }[];
}

/** A prompt filled in. */
export interface PromptResult {
  readonly description?: string;
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: ContentPart }[];
}

/** What a completion is asked for. */
export type CompletionReference =
  { readonly type: 'prompt'; readonly name: string } | { readonly type: 'resource'; readonly uri: string };

/** What belongs to one call. */
export interface McpCall {
  /** Aborted when the caller cancels or leaves, at the deadline, and when the door closes. */
  readonly signal: AbortSignal;
  readonly requestId: string;
  /** Who calls, when the door authenticates. */
  readonly principal?: string;
  /** `_meta` of the request: trace context and whatever else the client sent. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** Present when the caller asked for progress. Never blocks: what a slow reader cannot take is left out. */
  readonly progress?: (update: ProgressUpdate) => void;
  readonly log: Logger;
}

/** News of a running call. */
export interface ProgressUpdate {
  /** Deltas that come close together are joined into one message; any other message stands alone. */
  readonly message: string;
  readonly delta?: boolean;
  readonly progress?: number;
  readonly total?: number;
}

const codes = {
  unknown_tool: -32602,
  unknown_prompt: -32602,
  unknown_resource: -32602,
  invalid_params: -32602,
  internal: -32603,
} as const satisfies Record<string, number>;

/** What can be wrong with a request to the catalog. */
export type McpCatalogErrorKind = keyof typeof codes;

/** A fault of the protocol: the client gets a JSON-RPC error, not a result. */
export class McpCatalogError extends Error {
  /** JSON-RPC code. */
  readonly code: number;

  constructor(
    readonly kind: McpCatalogErrorKind,
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
    this.name = 'McpCatalogError';
    this.code = codes[kind];
  }
}
