import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { listOptions } from './options.js';

const root = fileURLToPath(new URL('../', import.meta.url));
// Read by the configuration itself: for editors, and while it is checked and completed.
const ownUse = ['$schema', 'auth.insecure', 'bundledPlugins'];

it('every option is read by some part of the host', () => {
  const source = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.test\.ts$|^config\/|^cli\//.test(name))
    .map((name) => readFileSync(join(root, name), 'utf8'))
    .join('\n');
  const unread = listOptions()
    .map(({ path }) => path)
    .filter((path) => !ownUse.includes(path.join('.')))
    .filter((path) => !new RegExp(`\\b${path.at(-1) ?? ''}\\b`).test(source))
    .map((path) => path.join('.'));
  expect(unread).toEqual([]);
});
