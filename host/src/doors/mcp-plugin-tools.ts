import type { JsonValue } from '@bufbuild/protobuf';
import { toolAnswer } from './tool-content.js';
import type { ToolModule, ToolProvider, ToolResult } from './mcp/index.js';
import type { PluginToolPort, PluginToolView } from './plugin-tool-port.js';

/** The tools of plugins as the MCP door offers them. */
export function pluginToolProvider(tools: PluginToolPort, timeoutMs: number): ToolProvider {
  return {
    tools: () => tools.list().map((tool) => toolModule(tools, tool, timeoutMs)),
    onChanged: (listener) => tools.onChanged(listener),
    notShown: (refused) => {
      tools.notShown(refused);
    },
  };
}

function toolModule(tools: PluginToolPort, tool: PluginToolView, timeoutMs: number): ToolModule {
  return {
    definition: {
      name: tool.name,
      ...(tool.title === '' ? {} : { title: tool.title }),
      description: tool.description === '' ? `A tool of the plugin ${tool.plugin}.` : tool.description,
      inputSchema: tool.inputSchema,
      ...(tool.typedContent || tool.streaming ? {} : { outputSchema: tool.outputSchema }),
      annotations: {
        readOnlyHint: tool.readOnly,
        destructiveHint: tool.destructive,
        idempotentHint: tool.idempotent,
        openWorldHint: tool.openWorld,
      },
    },
    run: async (args, call) => {
      const { progress } = call;
      const answer = await tools.call(tool.name, args as never, {
        signal: call.signal,
        timeoutMs,
        ...(progress === undefined
          ? {}
          : { onMessage: (message) => progress({ message: JSON.stringify(message) }) }),
      });
      if (tool.typedContent) return typedResult(answer as JsonValue);
      const structured = tool.streaming ? { messages: answer } : answer;
      return { content: [{ type: 'text', text: JSON.stringify(structured) }], structuredContent: structured };
    },
  };
}

/** Content instead of data. */
function typedResult(answer: JsonValue): ToolResult {
  const { parts, structured, isError } = toolAnswer(answer);
  return {
    content: parts,
    ...(structured === undefined ? {} : { structuredContent: structured }),
    ...(isError ? { isError: true } : {}),
  };
}
