export { createMcpDoor } from './http-endpoint.js';
export type { McpAuth, McpAuthOutcome, McpDoor, McpDoorOptions } from './http-endpoint.js';
export { serveMcpStdio } from './stdio.js';
export type { McpStdioOptions } from './stdio.js';
export { createToolCatalog } from './tool-catalog.js';
export type {
  ResourceModule,
  ToolCatalog,
  ToolCatalogOptions,
  ToolModule,
  ToolProvider,
} from './tool-catalog.js';
export type { McpCall, McpCatalog, ToolDefinition, ToolResult } from './catalog.js';
export { McpCatalogError } from './catalog.js';
export { defaultLimits } from './limits.js';
export type { McpLimits } from './limits.js';
export { inferenceInstructions, inferenceTools } from './tools/inference-tools.js';
export { eventResource } from './tools/event-resource.js';
export { inferenceResources } from './tools/resources.js';
export type * from './tools/ports.js';
