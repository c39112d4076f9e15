import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';

const here = fileURLToPath(new URL('..', import.meta.url));
let repository: string;

function run(program: string, args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: repository,
    encoding: 'utf8',
    timeout: 60_000,
    env: {
      ...process.env,
      BUF_CACHE_DIR: join(repository, '.cache'),
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
    },
  });
  return { status, output: stdout + stderr };
}

const git = (...args: string[]) =>
  run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args]);
const commit = (): void => {
  git('add', 'proto');
  expect(git('commit', '--quiet', '-m', 'x', '--', 'proto').status).toBe(0);
};
const breaking = (...args: string[]) => run(process.execPath, ['proto/scripts/breaking.mjs', ...args]);
/** What is said when nothing is refused. */
const accepted = (): string => {
  const { status, output } = breaking();
  expect({ status, output }).toEqual({ status: 0, output });
  return output;
};
const edit = (from: string, to: string): void => {
  const file = join(repository, 'proto/protos/outrigger/plugin/v1/lifecycle.proto');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
};

beforeAll(() => {
  repository = mkdtempSync(join(tmpdir(), 'breaking-'));
  mkdirSync(join(repository, 'proto'));
  for (const part of ['buf.yaml', 'protos', 'third_party', 'scripts']) {
    cpSync(join(here, part), join(repository, 'proto', part), { recursive: true });
  }
  symlinkSync(join(here, '../node_modules'), join(repository, 'node_modules'));
  git('init', '--quiet', '--initial-branch=main');
  commit();
});
afterAll(() => rmSync(repository, { recursive: true, force: true }));

it('compares with what was promised before, and only a break is an error', () => {
  expect(accepted()).toContain('no earlier contract');

  edit('message ShutdownResponse {}', 'message ShutdownResponse {\n  // New.\n  string note = 1;\n}');
  commit();
  expect(accepted()).toContain('the commit before');
  git('tag', 'v0.1.0');

  edit('uint32 in_flight = 1;', 'uint64 in_flight = 1;');
  commit();
  edit('// New.', '// Newer.');
  commit();
  // The commit before has the break as well; the tag has not.
  const refused = breaking();
  expect(refused.status).not.toBe(0);
  expect(refused.output).toContain('in_flight');
  expect(breaking('HEAD~1').status).toBe(0);
  expect(breaking('nonsense')).toMatchObject({ status: 2 });
});
