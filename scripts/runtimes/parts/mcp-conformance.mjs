// The conformance suite of the Model Context Protocol, as a judge: `node <path> server --url URL`. It takes
// fs.globSync for granted, so it runs on Node 22 and newer only; what it judges may run on an older one.
import { npmPart } from '../support/npm.mjs';

export default npmPart({
  name: 'mcp-conformance',
  about: 'conformance suite of MCP, judges the MCP door',
  packageName: '@modelcontextprotocol/conformance',
  version: '0.2.0-alpha.12',
  entry: 'dist/index.js',
});
