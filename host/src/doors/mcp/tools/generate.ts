import type { ToolResult } from '../catalog.js';
import type { ToolModule } from '../tool-catalog.js';
import { orError, textResult } from '../tool-result.js';
import { generateInputOf, portCallOf } from './arguments.js';
import { snakeObject } from './json-names.js';
import type { Answer, InferencePort } from './ports.js';
import {
  answerProperties,
  answerRequired,
  modelSchema,
  promptProperties,
  samplingProperties,
  strictnessProperties,
} from './schemas.js';

const description =
  'Generates text with one of the models: an answer to a prompt or the next message of a conversation. ' +
  'A caller that asks for progress gets the text as it is written.';

/** `generate`, and `create_completion` for clients that know it by that name. */
export function generateTools(port: InferencePort): ToolModule[] {
  return [
    generateTool(port, 'generate', 'Generate text'),
    generateTool(port, 'create_completion', 'Create a completion'),
  ];
}

function generateTool(port: InferencePort, name: string, title: string): ToolModule {
  return {
    definition: {
      name,
      title,
      description: name === 'generate' ? description : `${description} The same as generate.`,
      inputSchema: {
        type: 'object',
        properties: {
          model: {
            ...modelSchema,
            description: `${String(modelSchema.description)} Default: the default model.`,
          },
          ...promptProperties,
          ...samplingProperties,
          ...strictnessProperties,
        },
        additionalProperties: false,
      },
      outputSchema: orError({ properties: answerProperties, required: answerRequired }),
      annotations: { readOnlyHint: true, openWorldHint: true },
    },
    async run(args, call) {
      const input = generateInputOf(args, (args.model as string | undefined) ?? '');
      const { progress } = call;
      const onDelta = progress && ((text: string): void => progress({ message: text, delta: true }));
      return answerResult(await port.generate(input, portCallOf(call), onDelta));
    },
  };
}

/** An answer as structured content. */
export function answerJson(answer: Answer): Record<string, unknown> {
  return {
    text: answer.text,
    ...(answer.reasoning === undefined ? {} : { reasoning: answer.reasoning }),
    tool_calls: answer.toolCalls,
    finish_reason: answer.finishReason,
    model: answer.model,
    plugin: answer.plugin,
    usage: snakeObject(answer.usage),
    warnings: answer.warnings,
    ignored_params: answer.ignoredParams,
  };
}

/** The text stands alone in the content, so that a client that shows only that shows the answer. */
function answerResult(answer: Answer): ToolResult {
  const structured = answerJson(answer);
  const calls = answer.toolCalls.length > 0 ? JSON.stringify({ tool_calls: answer.toolCalls }) : '';
  const text = [answer.text, calls].filter((part) => part !== '').join('\n');
  return textResult(text, { structuredContent: structured });
}
