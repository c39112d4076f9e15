// The MCP client of the AI SDK, as a judge. The version is exact: npm on Node 20 would pick an old major by itself.
import { npmPart } from '../support/npm.mjs';

export default npmPart({
  name: 'ai-sdk-mcp',
  aliases: ['ai-sdk'],
  about: 'MCP client of the AI SDK, judges the MCP door',
  packageName: '@ai-sdk/mcp',
  version: '2.0.99',
});
