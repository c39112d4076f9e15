import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const here = fileURLToPath(new URL('..', import.meta.url));
const remedy = 'run `npm run generate` and commit the result';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'generated-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function buf(...args: string[]): void {
  const program = join(here, '../node_modules/@bufbuild/buf/bin/buf');
  execFileSync(process.execPath, [program, ...args], {
    cwd: here,
    env: { ...process.env, BUF_CACHE_DIR: join(directory, 'cache') },
    timeout: 60_000,
  });
}

async function filesOf(root: string): Promise<string[]> {
  return (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
}

describe('what is committed', () => {
  it('is what the .proto files generate', async () => {
    const fresh = join(directory, 'src/gen');
    const committed = join(here, 'src/gen');
    buf('generate', '-o', directory);
    expect({ files: await filesOf(committed), remedy }).toEqual({ files: await filesOf(fresh), remedy });
    for (const file of await filesOf(fresh)) {
      const same = (await readFile(join(fresh, file))).equals(await readFile(join(committed, file)));
      expect({ file, same, remedy }).toEqual({ file, same: true, remedy });
    }
  });

  it('holds their descriptors to the byte, comments and options included', async () => {
    const image = join(directory, 'descriptor.binpb');
    buf('build', '--as-file-descriptor-set', '-o', image);
    const same = (await readFile(image)).equals(await readFile(join(here, 'descriptor.binpb')));
    expect({ same, remedy }).toEqual({ same: true, remedy });
  });
});
