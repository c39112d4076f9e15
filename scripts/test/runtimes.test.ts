import { describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { describeWith } from '../testing/with-runtime.mjs';

const scripts = join(import.meta.dirname, '..');

/** Asks locate.mjs in a process of its own, with another cache folder and another PATH. */
function locateIn(
  cache: string,
  path: string,
  name: string,
): { path?: string; version?: string; missing?: string } {
  const code = `import { runtime } from ${JSON.stringify(join(scripts, 'runtimes/locate.mjs'))};
    console.log(JSON.stringify(runtime(process.argv[1])));`;
  const env = { ...process.env, OUTRIGGER_RUNTIMES: cache, PATH: path };
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', code, name], {
    env,
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout) as { path?: string; version?: string; missing?: string };
}

function install(
  cache: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, OUTRIGGER_RUNTIMES: cache };
  return spawnSync(process.execPath, [join(scripts, 'runtimes/install.mjs'), ...args], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
}

describe('locating a runtime', () => {
  const withFolder = (body: (folder: string) => void) => {
    const folder = mkdtempSync(join(tmpdir(), 'runtimes-'));
    try {
      body(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

  it('says why it is missing and how to install it', () => {
    withFolder((folder) => {
      expect(locateIn(folder, '/nowhere', 'ollama')).toEqual({
        missing: 'ollama: it is not installed; install with: npm run runtimes -- ollama',
      });
    });
  });

  it('finds a program on PATH and asks it for its version', () => {
    withFolder((folder) => {
      const program = join(folder, 'llama-server');
      writeFileSync(program, '#!/bin/sh\necho "version: 9.8.7 (build 1)" >&2\n', { mode: 0o755 });
      expect(locateIn(folder, folder, 'llama-server')).toEqual({ path: program, version: '9.8.7' });
    });
  });

  it('prefers the manifest to PATH, and sees when the file behind it is gone', () => {
    withFolder((folder) => {
      const program = join(folder, 'program');
      mkdirSync(join(folder, 'empty'));
      writeFileSync(program, '');
      writeFileSync(
        join(folder, 'manifest.json'),
        JSON.stringify({ ghz: { path: program, version: '1.2.3' } }),
      );
      expect(locateIn(folder, '/nowhere', 'ghz')).toEqual({ path: program, version: '1.2.3' });
      rmSync(program);
      expect(locateIn(folder, join(folder, 'empty'), 'ghz').missing).toContain(
        'program is gone; install with: npm run runtimes -- ghz',
      );
    });
  });

  it('does not take a cut manifest for an installed runtime', () => {
    withFolder((folder) => {
      writeFileSync(join(folder, 'manifest.json'), '{"ghz": {"pa');
      expect(locateIn(folder, '/nowhere', 'ghz').missing).toContain('not installed');
    });
  });

  it('lists an empty cache without installing anything', () => {
    withFolder((folder) => {
      const { status, stdout } = install(folder, '--list', '--json', 'node24', 'portkey');
      expect(status).toBe(0);
      const rows = JSON.parse(stdout) as { name: string; state: string }[];
      expect(rows.map((row) => row.name)).toEqual(['node24', 'portkey']);
      for (const row of rows) expect(['absent', 'unavailable']).toContain(row.state);
    });
  });

  it('names the known runtimes when it is asked for an unknown one', () => {
    withFolder((folder) => {
      const { status, stderr } = install(folder, 'olama');
      expect(status).toBe(2);
      expect(stderr).toContain('no runtime is called "olama"');
      expect(stderr).toContain('llama-server, ollama, ghz');
    });
  });
});

describeWith('llama-server', 'an installed llama-server', ({ path, version }) => {
  it('answers with the version of the manifest', () => {
    const { stdout, stderr } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 });
    expect(stdout + stderr).toContain(version.split(' ')[0]);
  });
});
