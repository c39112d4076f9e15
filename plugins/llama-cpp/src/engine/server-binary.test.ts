import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { locateServer } from './server-binary.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'locate-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder with a llama-server of that version; without a version one that does not run. */
async function folder(name: string, version?: string): Promise<string> {
  const path = join(root, name, 'bin');
  await mkdir(path, { recursive: true });
  const script =
    version === undefined
      ? '#!/bin/sh\necho "libllama.so: cannot open shared object file"; exit 127\n'
      : `#!/bin/sh\ncase $1 in --version) echo "version: ${version}" >&2;; *) echo "-m, --model FNAME  model"; echo "--no-ui";; esac\n`;
  await writeFile(join(path, 'llama-server'), script);
  await chmod(join(path, 'llama-server'), 0o755);
  return path;
}

describe('locateServer', () => {
  it('takes the configured one, then LLAMA_SERVER, then PATH, then OUTRIGGER_RUNTIMES', async () => {
    const [a, b, c] = [await folder('a', '1'), await folder('b', '2'), await folder('c', '3')];
    const d = await folder('d', '4');
    const env = { LLAMA_SERVER: join(b, 'llama-server'), PATH: c, OUTRIGGER_RUNTIMES: join(d, '..') };
    const version = async (search: Parameters<typeof locateServer>[0]) =>
      (await locateServer(search)).binary?.version;
    expect(await version({ configured: join(a, 'llama-server'), env })).toBe('llama-server 1');
    expect(await version({ env })).toBe('llama-server 2');
    expect(await version({ env: { ...env, LLAMA_SERVER: '' } })).toBe('llama-server 3');
    expect(await version({ env: { OUTRIGGER_RUNTIMES: join(d, '..') } })).toBe('llama-server 4');
  });

  it('knows the options of the version', async () => {
    const { binary } = await locateServer({
      configured: join(await folder('e', '5'), 'llama-server'),
      env: {},
    });
    expect([...(binary?.flags ?? [])].sort()).toEqual(['--model', '--no-ui', '-m']);
  });

  it('passes over one on PATH that does not run, and says so when there is no other', async () => {
    const [broken, good] = [await folder('broken'), await folder('good', '6')];
    expect((await locateServer({ env: { PATH: `${broken}:relative:${good}` } })).binary?.version).toBe(
      'llama-server 6',
    );
    const { binary, problem } = await locateServer({ env: { PATH: broken } });
    expect(binary).toBeUndefined();
    expect(problem).toContain('cannot open shared object file');
    expect((await locateServer({ env: {} })).problem).toContain('no llama-server in');
  });

  it('never replaces one that was named', async () => {
    const good = await folder('named', '7');
    const broken = join(await folder('named-broken'), 'llama-server');
    const { binary, problem } = await locateServer({ configured: broken, env: { PATH: good } });
    expect([binary, problem]).toEqual([undefined, expect.stringContaining('llamaServer names')]);
    const absent = await locateServer({ env: { LLAMA_SERVER: '/none', PATH: good } });
    expect(absent.problem).toContain('LLAMA_SERVER names /none, which is not an executable file');
  });
});
