import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { claimFolder, removeAbandoned } from './abandoned-folders.js';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'folders-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

const deadPid = spawnSync(process.execPath, ['-e', '0']).pid;

/** A folder that this process claims; `owner` changes what it wrote. */
async function folder(name: string, owner?: object): Promise<string> {
  const path = join(base, name);
  await mkdir(path, { mode: 0o700 });
  await claimFolder(path);
  if (owner !== undefined) {
    const written = JSON.parse(await readFile(join(path, 'host'), 'utf8')) as object;
    await writeFile(join(path, 'host'), JSON.stringify({ ...written, ...owner }));
  }
  return path;
}

/** A socket that nobody listens on any more. */
async function staleSocket(path: string): Promise<void> {
  const script = `require('net').createServer().listen(process.argv[1], () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
}

it('removes the folders of hosts that are dead, with the sockets that nobody answers on', async () => {
  const empty = await folder('outrigger-AAAAAA', { pid: deadPid });
  const left = await folder('outrigger-BBBBBB', { pid: deadPid });
  await staleSocket(join(left, 'echo-0123456789ab.sock'));
  // The number lives, but it is another process.
  const reused = await folder('outrigger-CCCCCC', existsSync('/proc') ? { started: '1' } : { pid: deadPid });
  expect(await removeAbandoned(base)).toBe(false);
  expect([empty, left, reused].filter(existsSync)).toEqual([]);
});

it('leaves everything else alone', async () => {
  const kept = [
    await folder('outrigger-DDDDDD'),
    await folder('outrigger-EEEEEE', { pid: deadPid, machine: 'another' }),
    await folder('outrigger-FFFFFF', { pid: deadPid, namespace: 'pid:[1]' }),
    await folder('outrigger-toolong', { pid: deadPid }),
    await folder('another-AAAAAA', { pid: deadPid }),
    await folder('outrigger-GGGGGG', { pid: -1 }),
  ];
  const withFile = await folder('outrigger-HHHHHH', { pid: deadPid });
  await writeFile(join(withFile, 'notes.txt'), 'mine');
  const open = await folder('outrigger-IIIIII', { pid: deadPid });
  await chmod(open, 0o755);
  const unclaimed = join(base, 'outrigger-JJJJJJ');
  await mkdir(unclaimed, { mode: 0o700 });
  const elsewhere = await folder('elsewhere', { pid: deadPid });
  const link = join(base, 'outrigger-KKKKKK');
  await symlink(elsewhere, link);
  const garbled = await folder('outrigger-LLLLLL');
  await writeFile(join(garbled, 'host'), '{');

  expect(await removeAbandoned(base)).toBe(false);
  const all = [...kept, withFile, join(withFile, 'notes.txt'), open, unclaimed, elsewhere, link, garbled];
  expect(all.filter((path) => !existsSync(path))).toEqual([]);
});

it('leaves a folder in which a plugin still answers, and says that another look may help', async () => {
  const path = await folder('outrigger-MMMMMM', { pid: deadPid });
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(join(path, 'a.sock'), resolve));
  expect(await removeAbandoned(base)).toBe(true);
  expect(existsSync(join(path, 'a.sock'))).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  expect(await removeAbandoned(base)).toBe(false);
  expect(existsSync(path)).toBe(false);
});

it('finds nothing where there is no folder at all', async () => {
  expect(await removeAbandoned(join(base, 'nothing'))).toBe(false);
});
