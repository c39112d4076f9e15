import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readText } from './read-text.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'read-text-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the text of a file', () => {
  it('is read whole up to a mebibyte', async () => {
    const path = join(folder, 'a');
    for (const text of ['', 'häuser\n', 'x'.repeat(1024 * 1024)]) {
      await writeFile(path, text);
      expect(readText(path)).toBe(text);
    }
    await writeFile(path, 'x'.repeat(1024 * 1024 + 1));
    expect(() => readText(path)).toThrow('it holds more than 1048576 bytes');
    expect(() => readText(join(folder, 'none'))).toThrow(/ENOENT/);
    expect(() => readText(folder)).toThrow(/EISDIR/);
  });

  (existsSync('/dev/zero') ? it : it.skip)('is refused where it never ends', () => {
    expect(() => readText('/dev/zero')).toThrow('it holds more than 1048576 bytes');
  });
});
