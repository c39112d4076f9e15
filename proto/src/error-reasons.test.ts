import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { errorReasons, grpcCode } from './error-reasons.js';

it('stands in the README, reason by reason with its code', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| `([A-Z_]+)` \| \S/gm)].map(([, reason, code]) => [
    reason,
    code,
  ]);
  expect(Object.fromEntries(rows)).toEqual(errorReasons);
});

it('gives every reason a code of gRPC, and none of them OK or UNKNOWN', () => {
  for (const code of Object.values(errorReasons)) expect(grpcCode[code]).toBeGreaterThan(0);
  expect(Object.values<string>(errorReasons)).not.toContain('UNKNOWN');
});
