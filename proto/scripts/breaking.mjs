// Refuses changes of the contract that break hosts or plugins built before:
//   npm run breaking --workspace proto [-- REF]
// Compared with REF, else the last version tag, else where this branch left main,
// else the commit before. Where there is nothing to compare with, that is said and fine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));

function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: here, encoding: 'utf8', timeout: 30_000 });
  return status === 0 ? stdout.trim() : undefined;
}

const commitOf = (name) => git('rev-parse', '--verify', '--quiet', `${name}^{commit}`);

function baseline(asked) {
  if (asked !== undefined) return { name: asked, commit: commitOf(asked) };
  const tag = git('describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*');
  if (tag !== undefined) return { name: tag, commit: commitOf(tag) };
  const head = commitOf('HEAD');
  const fork = git('merge-base', 'HEAD', 'main') ?? git('merge-base', 'HEAD', 'origin/main');
  if (fork !== undefined && fork !== head) return { name: 'main', commit: fork };
  return { name: 'the commit before', commit: commitOf('HEAD~1') };
}

const asked = process.argv[2];
const { name, commit } = baseline(asked);
if (commit === undefined) {
  if (asked !== undefined) {
    console.error(`breaking: there is no commit ${asked}; give a tag, a branch or a commit`);
    process.exit(2);
  }
  console.log('breaking: no earlier contract to compare with (no version tag and no commit before this one)');
  process.exit(0);
}
if (git('cat-file', '-t', `${commit}:proto/buf.yaml`) !== 'blob') {
  console.log(`breaking: ${name} (${commit.slice(0, 12)}) has no contract yet`);
  process.exit(0);
}

// buf keeps its cache in HOME, which need not be writable.
const cache = process.env.BUF_CACHE_DIR ?? mkdtempSync(join(tmpdir(), 'buf-'));
const top = git('rev-parse', '--show-toplevel');
const buf = fileURLToPath(import.meta.resolve('@bufbuild/buf/bin/buf'));
const { status, error } = spawnSync(
  process.execPath,
  [buf, 'breaking', '--against', `${join(top, '.git')}#ref=${commit},subdir=proto`],
  { cwd: here, stdio: 'inherit', env: { ...process.env, BUF_CACHE_DIR: cache }, timeout: 120_000 },
);
if (process.env.BUF_CACHE_DIR === undefined) rmSync(cache, { recursive: true, force: true });
if (error) console.error(`breaking: buf did not run: ${error.message}`);
else if (status === 0)
  console.log(`breaking: nothing that ${name} (${commit.slice(0, 12)}) promised has changed`);
process.exit(status ?? 1);
