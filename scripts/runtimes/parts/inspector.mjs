// The MCP Inspector, as a judge: `node <path> --cli URL --transport http --method tools/list`. It writes below
// HOME/.mcp-inspector, so give it a temporary HOME. Its engines ask for Node 22; it ran on 20 too.
import { npmPart } from '../support/npm.mjs';

export default npmPart({
  name: 'inspector',
  aliases: ['mcp-inspector'],
  about: 'MCP Inspector, its command line judges the MCP door',
  packageName: '@modelcontextprotocol/inspector',
  version: '2.12.0',
  entry: 'clients/launcher/build/index.js',
});
