import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { metricsDocument } from './metrics-document.js';

it('docs/metrics.md is what the table says', () => {
  const file = new URL('../../../docs/metrics.md', import.meta.url);
  expect(readFileSync(file, 'utf8')).toBe(metricsDocument());
});
