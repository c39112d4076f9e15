import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { loadedByPlugin } from '../../../scripts/testing/loaded-scripts.mjs';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

it('listens with the pool of undici and nothing else of it', async () => {
  const loaded = await loadedByPlugin(main);
  expect(loaded).toContain('/node_modules/undici/lib/dispatcher/pool.js');
  for (const part of ['index.js', 'lib/web/', 'lib/mock/', 'lib/api/', 'lib/cache/', 'lib/interceptor/']) {
    expect(loaded).not.toContain(`/node_modules/undici/${part}`);
  }
}, 60_000);
