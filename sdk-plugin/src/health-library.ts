import Module, { createRequire } from 'node:module';
import type * as HealthCheck from 'grpc-health-check';

/**
 * Loads grpc-health-check without what reads its .proto file. It does that while it is loaded, with protobufjs,
 * which takes a third of the start of a small plugin, and for a definition that nobody needs here, as our own
 * codec stands in front of it. So its loader is another one for that moment; where the real one is loaded
 * already there is nothing to gain.
 */
export function loadHealthCheck(): typeof HealthCheck {
  const require = createRequire(import.meta.url);
  const library = require.resolve('grpc-health-check');
  const loader = createRequire(library).resolve('@grpc/proto-loader');
  if (require.cache[loader] !== undefined) return require(library) as typeof HealthCheck;
  const stand = new Module(loader);
  stand.exports = { loadSync: () => ({}) };
  stand.loaded = true;
  require.cache[loader] = stand;
  try {
    return require(library) as typeof HealthCheck;
  } finally {
    // Whoever asks for the loader next gets the real one; the library with its definition is not for them.
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
    delete require.cache[loader];
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
    delete require.cache[library];
  }
}
