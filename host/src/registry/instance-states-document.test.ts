import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { instanceStatesDocument } from './instance-states-document.js';

it('is in the docs as the code has it (npm run generate:states --workspace host)', () => {
  const page = readFileSync(new URL('../../docs/instance-states.md', import.meta.url), 'utf8');
  expect(page).toBe(instanceStatesDocument());
});
