// Portkey's gateway, the peer that benchmarks compare with. Its own ranges resolve to a server library under which
// every stream answers 500, so the versions it was made with are pinned: a fair comparison needs a working peer.
import { npmPart } from '../support/npm.mjs';

export default npmPart({
  name: 'portkey',
  about: 'Portkey gateway, the peer of the benchmarks',
  packageName: '@portkey-ai/gateway',
  version: '1.15.2',
  entry: 'build/start-server.js',
  overrides: { '@hono/node-server': '1.13.5', hono: '4.9.7', '@hono/node-ws': '1.2.0' },
});
