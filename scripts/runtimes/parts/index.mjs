// All parts, in the order in which they are installed.
import aiSdkMcp from './ai-sdk-mcp.mjs';
import chromium from './chromium.mjs';
import ghz from './ghz.mjs';
import inspector from './inspector.mjs';
import llamaServer from './llama-server.mjs';
import mcpConformance from './mcp-conformance.mjs';
import node24 from './node24.mjs';
import ollama from './ollama.mjs';
import openaiNode from './openai-node.mjs';
import portkey from './portkey.mjs';
import { metricsJudge, mlserver, pythonJudges, tritonclient } from './python-parts.mjs';
import tritonserver from './tritonserver.mjs';

export const parts = [
  ...[llamaServer, ollama, ghz, node24, tritonserver, mlserver],
  ...[pythonJudges, metricsJudge, tritonclient],
  ...[inspector, mcpConformance, aiSdkMcp, openaiNode, portkey, chromium],
];

/** The parts of the given names or aliases, all of them for an empty list; an unknown name throws. */
export function selectParts(names) {
  if (names.length === 0) return parts;
  return names.map((name) => {
    const part = parts.find((candidate) => candidate.name === name || candidate.aliases?.includes(name));
    if (part) return part;
    throw new Error(
      `no runtime is called "${name}"; there are: ${parts.map((known) => known.name).join(', ')}`,
    );
  });
}
