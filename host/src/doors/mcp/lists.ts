import { McpCatalogError, type McpCatalog, type ToolDefinition } from './catalog.js';
import type { Era, Wire } from './dispatcher.js';

/** The lists of a catalog in pages; the usual single page of tools is made once per version. */
export class Lists {
  #version = '';
  #tools: Record<Era, readonly Wire[]> = { legacy: [], modern: [] };
  #whole: Record<Era, Wire> = { legacy: {}, modern: {} };

  constructor(
    private readonly catalog: McpCatalog,
    private readonly pageSize: number,
  ) {}

  /** Answers `tools/list`. */
  tools(cursor: string | undefined, era: Era): Wire {
    const version = this.catalog.toolsVersion();
    if (version !== this.#version) {
      const modern = this.catalog.tools() as readonly unknown[] as readonly Wire[];
      const legacy = this.catalog.tools().map(legacyTool);
      this.#tools = { modern, legacy };
      this.#whole = { modern: { tools: modern }, legacy: { tools: legacy } };
      this.#version = version;
    }
    const all = this.#tools[era];
    if (cursor === undefined && all.length <= this.pageSize) return this.#whole[era];
    return this.#page('tools', all, cursor, version);
  }

  resources(cursor: string | undefined): Wire {
    return this.#page('resources', this.catalog.resources(), cursor, '');
  }

  resourceTemplates(cursor: string | undefined): Wire {
    return this.#page('resourceTemplates', this.catalog.resourceTemplates(), cursor, '');
  }

  prompts(cursor: string | undefined): Wire {
    return this.#page('prompts', this.catalog.prompts(), cursor, '');
  }

  /** A cursor is bound to its list and version, so that a page never skips or repeats silently. */
  #page(key: string, all: readonly unknown[], cursor: string | undefined, version: string): Wire {
    const prefix = `${key}:${version}:`;
    let start = 0;
    if (cursor !== undefined) {
      const text = Buffer.from(cursor, 'base64url').toString('utf8');
      start = text.startsWith(prefix) ? Number(text.slice(prefix.length)) : NaN;
      if (!Number.isInteger(start) || start <= 0 || start >= all.length) {
        throw new McpCatalogError(
          'invalid_params',
          'the cursor is not valid or the list has changed; list again without a cursor',
        );
      }
    }
    const end = start + this.pageSize;
    return {
      [key]: all.slice(start, end),
      ...(end < all.length ? { nextCursor: Buffer.from(`${prefix}${end}`).toString('base64url') } : {}),
    };
  }
}

/** Up to 2025-11-25 an output schema must be of an object: any other is left out. */
function legacyTool(tool: ToolDefinition): Wire {
  if (tool.outputSchema === undefined || tool.outputSchema.type === 'object') return { ...tool };
  const { outputSchema: _unfit, ...rest } = tool;
  return rest;
}
