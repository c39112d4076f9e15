import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { loadedByPlugin } from '../../../scripts/testing/loaded-scripts.mjs';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

it('listens without what runs an engine or fetches a model', async () => {
  const loaded = await loadedByPlugin(main);
  expect(loaded).toContain('/plugins/llama-cpp/dist/adapter/adapter.js');
  for (const library of ['execa', 'undici', 'node-llama-cpp', '@huggingface/jinja']) {
    expect(loaded).not.toContain(`/node_modules/${library}/`);
  }
  for (const part of ['engine/llama-server.js', 'embedded/embedded.js', 'pull/download.js']) {
    expect(loaded).not.toContain(`/plugins/llama-cpp/dist/${part}`);
  }
}, 60_000);
