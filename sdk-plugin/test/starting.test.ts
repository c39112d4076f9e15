import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { loadedByPlugin } from '../../scripts/testing/loaded-scripts.mjs';

const echo = fileURLToPath(new URL('../../examples/minimal-plugin-ts/dist/main.js', import.meta.url));

it('a plugin listens without what reads .proto files', async () => {
  const loaded = await loadedByPlugin(echo);
  expect(loaded).toContain('/@grpc/grpc-js/');
  expect(loaded).toContain('/node_modules/grpc-health-check/build/src/health.js');
  for (const library of ['protobufjs', '@grpc/proto-loader']) {
    expect(loaded).not.toContain(`/node_modules/${library}/`);
  }
  // Nor the parts of protobuf-es that work by reflection, nor the test kit.
  expect(loaded).not.toContain('/@bufbuild/protobuf/dist/esm/registry.js');
  expect(loaded).not.toContain('/sdk-plugin/dist/testing');
}, 60_000);
