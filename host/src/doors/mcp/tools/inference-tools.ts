import type { ToolModule } from '../tool-catalog.js';
import { compareModelsTool } from './compare-models.js';
import { countTokensTool, embedTool } from './embed.js';
import { generateTools } from './generate.js';
import { getModelTool, listModelsTool, listPluginsTool } from './model-tools.js';
import type { InferencePort } from './ports.js';

/** What a model that is to use the tools should know. */
export const inferenceInstructions =
  'This server gives access to language models behind plugins. Call list_models to see what there is, ' +
  'generate to get an answer from one model and compare_models to ask several at once. ' +
  'Ask for progress to receive the text of generate while it is written.';

/** The product's own tools, in the order in which clients see them. */
export function inferenceTools(port: InferencePort): ToolModule[] {
  return [
    listModelsTool(port),
    getModelTool(port),
    ...generateTools(port),
    embedTool(port),
    compareModelsTool(port),
    countTokensTool(port),
    listPluginsTool(port),
  ];
}
