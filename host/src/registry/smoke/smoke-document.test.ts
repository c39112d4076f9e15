import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { smokeChecks } from './examination.js';

it('hot-swap.md tells every check', () => {
  const page = readFileSync(new URL('../../../docs/hot-swap.md', import.meta.url), 'utf8');
  const told = page
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, id]) => /^[A-Z]{3}-\d\d$|^[A-Z]{2}-\d\d$/.test(id ?? ''))
    .map(([, id, what, then]) => [id, what, then]);
  expect(told).toEqual(
    smokeChecks.map(({ id, what, severity }) => [id, what, severity === 'refuse' ? 'refused' : 'told']),
  );
});
