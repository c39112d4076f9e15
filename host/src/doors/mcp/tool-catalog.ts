import { createHash } from 'node:crypto';
import type { Logger } from '../../telemetry/logger.js';
import {
  McpCatalogError,
  type CatalogInfo,
  type JsonSchema,
  type McpCall,
  type McpCatalog,
  type PromptDefinition,
  type PromptResult,
  type ResourceContents,
  type ResourceDefinition,
  type ResourceTemplateDefinition,
  type ToolDefinition,
  type ToolResult,
} from './catalog.js';
import { halfCharacter } from './half-character.js';
import { SchemaCompiler, schemaRefusal, type Check } from './schema-compiler.js';
import { errorOf, errorResult, textResult } from './tool-result.js';

/** One tool: what clients read and what runs. */
export interface ToolModule {
  readonly definition: ToolDefinition;
  /**
   * Gets arguments that satisfy the input schema. May throw `{kind, message, param?, retryAfterMs?}`:
   * the caller sees it as a failed tool. Anything else that is thrown is a fault of the host.
   */
  run(args: Readonly<Record<string, unknown>>, call: McpCall): Promise<ToolResult>;
}

/** Tools that come and go, for example those of plugins. */
export interface ToolProvider {
  tools(): readonly ToolModule[];
  /** Calls back after `tools()` has changed; returns the way to stop listening. */
  onChanged?(listener: () => void): () => void;
  /** Hears which of them are not shown, and why, whenever they were looked at. */
  notShown?(refused: readonly RefusedTool[]): void;
}

/** A tool of a provider that is not shown. */
export interface RefusedTool {
  readonly name: string;
  readonly reason: string;
}

/** Things to read, all of one origin. */
export interface ResourceModule {
  readonly resources: readonly ResourceDefinition[];
  readonly templates: readonly ResourceTemplateDefinition[];
  /** Undefined when the URI is not one of this module. */
  read(uri: string, call: McpCall): Promise<readonly ResourceContents[] | undefined>;
  complete?(template: string, argument: string, value: string): Promise<readonly string[]>;
}

/** What a catalog is made of. */
export interface ToolCatalogOptions {
  readonly info: CatalogInfo;
  readonly instructions?: string;
  /** The product's own, in the order in which clients see them. */
  readonly tools: readonly ToolModule[];
  readonly providers?: readonly ToolProvider[];
  readonly resources?: readonly ResourceModule[];
  readonly logger: Logger;
}

/** A catalog that combines the product's own tools with those of providers. */
export interface ToolCatalog extends McpCatalog {
  /** Tools of providers that are not shown, and why. */
  refused(): readonly RefusedTool[];
  /** Stops listening to the providers. */
  close(): void;
}

interface Entry {
  readonly module: ToolModule;
  readonly checkInput: Check;
  readonly checkOutput: Check | undefined;
}

const NAME = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * Builds the catalog. Throws when one of the product's own tools is not well-formed; their schemas
 * are taken to be valid, and are compiled when they are called first.
 */
export function createToolCatalog(options: ToolCatalogOptions): ToolCatalog {
  return new CombinedCatalog(options);
}

class CombinedCatalog implements ToolCatalog {
  readonly info: CatalogInfo;
  readonly instructions?: string;
  readonly #compiler = new SchemaCompiler();
  readonly #toolListeners = new Set<() => void>();
  readonly #stopListening: (() => void)[] = [];
  readonly #resources: readonly ResourceModule[];
  #entries = new Map<string, Entry>();
  #definitions: readonly ToolDefinition[] = [];
  #version = '';
  #refused: readonly RefusedTool[] = [];

  constructor(private readonly options: ToolCatalogOptions) {
    this.info = options.info;
    if (options.instructions !== undefined) this.instructions = options.instructions;
    this.#resources = options.resources ?? [];
    this.#rebuild();
    for (const provider of options.providers ?? []) {
      const stop = provider.onChanged?.(() => this.#onProviderChanged());
      if (stop) this.#stopListening.push(stop);
    }
  }

  tools(): readonly ToolDefinition[] {
    return this.#definitions;
  }

  toolsVersion(): string {
    return this.#version;
  }

  refused(): readonly RefusedTool[] {
    return this.#refused;
  }

  async callTool(name: string, args: Readonly<Record<string, unknown>>, call: McpCall): Promise<ToolResult> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new McpCatalogError('unknown_tool', `Unknown tool: ${name.slice(0, 128)}`);
    const { module, checkInput, checkOutput } = entry;
    const wrong = checkInput(args) ?? halfCharacter(args);
    if (wrong !== undefined) {
      const { message, field } = wrong;
      return errorResult(
        { kind: 'invalid_request', message, ...(field === '' ? {} : { param: field }) },
        checkOutput,
      );
    }
    let result: ToolResult;
    try {
      result = await module.run(args, call);
    } catch (thrown) {
      const error = thrown instanceof McpCatalogError ? undefined : errorOf(thrown);
      if (error === undefined) throw thrown;
      return errorResult(error, checkOutput);
    }
    if (checkOutput === undefined || result.isError === true) return result;
    const broken = checkOutput(result.structuredContent);
    if (broken === undefined) return result;
    call.log.error(
      { tool: name, requestId: call.requestId, broken: broken.message },
      'a tool broke the schema of its own output',
    );
    return textResult(
      `the tool ${name} answered with something that breaks its own output schema: ${broken.message}`,
      {
        isError: true,
      },
    );
  }

  resources(): readonly ResourceDefinition[] {
    return this.#resources.flatMap((module) => module.resources);
  }

  resourceTemplates(): readonly ResourceTemplateDefinition[] {
    return this.#resources.flatMap((module) => module.templates);
  }

  async readResource(uri: string, call: McpCall): Promise<readonly ResourceContents[]> {
    for (const module of this.#resources) {
      const contents = await module.read(uri, call).catch((thrown: unknown) => {
        const error = thrown instanceof McpCatalogError ? undefined : errorOf(thrown);
        if (error === undefined) throw thrown;
        const kind = error.kind.endsWith('not_found') ? 'unknown_resource' : 'internal';
        throw new McpCatalogError(kind, error.message, { kind: error.kind, uri });
      });
      if (contents !== undefined && contents.length > 0) return contents;
    }
    throw new McpCatalogError('unknown_resource', `Resource not found: ${uri.slice(0, 512)}`, { uri });
  }

  prompts(): readonly PromptDefinition[] {
    return [];
  }

  getPrompt(name: string): Promise<PromptResult> {
    return Promise.reject(new McpCatalogError('unknown_prompt', `Unknown prompt: ${name.slice(0, 128)}`));
  }

  async complete(
    reference: Parameters<NonNullable<McpCatalog['complete']>>[0],
    argument: string,
    value: string,
  ): Promise<readonly string[]> {
    if (reference.type === 'prompt')
      throw new McpCatalogError('unknown_prompt', `Unknown prompt: ${reference.name.slice(0, 128)}`);
    const owner = this.#resources.find((module) =>
      module.templates.some((template) => template.uriTemplate === reference.uri),
    );
    if (owner === undefined)
      throw new McpCatalogError(
        'invalid_params',
        `Unknown resource template: ${reference.uri.slice(0, 512)}`,
      );
    return (await owner.complete?.(reference.uri, argument, value)) ?? [];
  }

  onToolsChanged(listener: () => void): () => void {
    this.#toolListeners.add(listener);
    return () => this.#toolListeners.delete(listener);
  }

  /** The list of resources is fixed; only what they hold changes. */
  onResourcesChanged(): () => void {
    return () => undefined;
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
    this.#stopListening.length = 0;
  }

  #onProviderChanged(): void {
    const before = this.#version;
    this.#rebuild();
    if (this.#version !== before) for (const listener of [...this.#toolListeners]) listener();
  }

  /** Own tools in their order, then those of providers by name; the first to claim a name keeps it. */
  #rebuild(): void {
    const entries = new Map<string, Entry>();
    for (const module of this.options.tools) {
      const reason = this.#admit(module, entries, (schema, root) =>
        this.#compiler.compileLater(schema, root),
      );
      if (reason !== undefined) throw new Error(`tool ${module.definition.name}: ${reason}`);
    }
    const providers = this.options.providers ?? [];
    const provided = providers.flatMap((from) => from.tools().map((module) => ({ module, from })));
    provided.sort((a, b) => compare(a.module.definition.name, b.module.definition.name));
    const refused = provided.flatMap(({ module, from }) => {
      const reason = this.#admit(module, entries, (schema, root) => this.#compiler.compile(schema, root));
      if (reason === undefined) return [];
      const { name } = module.definition;
      if (from.notShown === undefined)
        this.options.logger.warn({ tool: name, reason }, 'a tool is not shown');
      return [{ name, reason, from }];
    });
    for (const provider of providers) provider.notShown?.(refused.filter(({ from }) => from === provider));
    const definitions = [...entries.values()].map((entry) => entry.module.definition);
    this.#entries = entries;
    this.#refused = refused.map(({ name, reason }) => ({ name, reason }));
    // Clients and caches compare: the same tools must stay the same array.
    const version = createHash('sha256').update(JSON.stringify(definitions)).digest('hex').slice(0, 32);
    if (version === this.#version) return;
    this.#version = version;
    this.#definitions = Object.freeze(definitions);
  }

  #admit(
    module: ToolModule,
    entries: Map<string, Entry>,
    compile: (schema: JsonSchema, root: string) => Check,
  ): string | undefined {
    const { name, inputSchema, outputSchema } = module.definition;
    if (!NAME.test(name)) return 'the name must be 1 to 128 characters of A-Z a-z 0-9 _ . -';
    if (entries.has(name)) return 'another tool has this name';
    if (inputSchema.type !== 'object') return 'the input schema must have "type": "object"';
    const refusal = schemaRefusal(inputSchema) ?? (outputSchema && schemaRefusal(outputSchema));
    if (refusal !== undefined) return refusal;
    try {
      entries.set(name, {
        module,
        checkInput: compile(inputSchema, 'arguments'),
        checkOutput: outputSchema && compile(outputSchema, 'result'),
      });
      return undefined;
    } catch (thrown) {
      return `the schema does not compile: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    }
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
