import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GuardedProcess } from '../src/engine/guarded-process.js';
import { isAlive, TestFolder, until } from './support.js';

let folder: TestFolder;
beforeAll(async () => {
  folder = await TestFolder.make();
});
afterAll(() => folder.remove());

let count = 0;
async function run(script: string, onLine?: (line: string) => void): Promise<GuardedProcess> {
  const own = join(folder.path, `process-${count++}`);
  await mkdir(own);
  return new GuardedProcess({
    file: '/bin/sh',
    args: ['-c', script],
    env: { PATH: process.env['PATH'] },
    folder: own,
    ...(onLine === undefined ? {} : { onLine }),
  });
}
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

describe('GuardedProcess', () => {
  it('tells exit codes, signals and the last lines of both streams', async () => {
    const lines: string[] = [];
    const ended = await run('echo out; echo err >&2; exit 7', (line) => lines.push(line));
    expect(await ended.exit).toEqual({ code: 7 });
    expect([...ended.tail.lines].sort()).toEqual(['err', 'out']);
    expect([...lines].sort()).toEqual(['err', 'out']);
    const crashed = await run('kill -SEGV $$');
    expect(await crashed.exit).toEqual({ signal: 'SIGSEGV' });
  });

  it('keeps only so much of what is said', async () => {
    const loud = await run(
      'i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i+1)); done; head -c 100000 /dev/zero',
    );
    await loud.exit;
    expect(loud.tail.lines.length).toBeLessThanOrEqual(200);
    expect(Math.max(...loud.tail.lines.map((line) => line.length))).toBeLessThanOrEqual(2_000);
  });

  it('ends one that ignores SIGTERM, and everything that it started', async () => {
    const stubborn = await run("trap '' TERM; sleep 1000 & echo child $!; while :; do sleep 1000; done");
    await until('it has a child', () => stubborn.tail.lines.some((line) => line.startsWith('child')));
    const child = Number(/child (\d+)/.exec(stubborn.tail.text())?.[1]);
    expect(await isAlive(child)).toBe(true);
    expect(await stubborn.stop()).toEqual({ signal: 'SIGKILL' });
    await until('its child is gone', async () => !(await isAlive(child)));
  });

  it('asks again before one that hangs at the first SIGTERM has taken a second', async () => {
    const hanging = await run(
      'trap \'trap "exit 7" TERM; sleep 0.8 & wait; exit 5\' TERM; echo ready; while :; do sleep 0.01; done',
    );
    await until('it listens', () => hanging.tail.lines.includes('ready'));
    expect(await hanging.stop()).toEqual({ code: 7 });
  });

  it('leaves nothing in its group when it dies by itself', async () => {
    const dying = await run('sleep 1000 & echo child $!; exit 1');
    await dying.exit;
    const child = Number(/child (\d+)/.exec(dying.tail.text())?.[1]);
    await until('the child is gone', async () => !(await isAlive(child)));
  });

  it('does not outlive its owner, even one that is killed', async () => {
    const module = new URL('../dist/engine/guarded-process.js', import.meta.url).href;
    const own = join(folder.path, 'owned');
    await mkdir(own);
    const script = `
      import { GuardedProcess } from ${JSON.stringify(module)};
      const child = new GuardedProcess({ file: '/bin/sh', args: ['-c', 'sleep 1000 & echo $!; exec sleep 1000'],
        env: process.env, folder: ${JSON.stringify(own)}, onLine: (line) => console.log(child.pid, line) });
    `;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [chunk] = (await once(owner.stdout, 'data')) as [Buffer];
    const pids = chunk.toString().trim().split(' ').map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(await isAlive(pid)).toBe(true);
    owner.kill('SIGKILL');
    for (const pid of pids) await until(`${pid} is gone`, async () => !(await isAlive(pid)));
    await until('its folder is gone', async () => !(await exists(own)));
  });

  it('reports a program that cannot be started', async () => {
    const own = join(folder.path, 'absent');
    await mkdir(own);
    const absent = new GuardedProcess({ file: '/no/such/program', args: [], env: {}, folder: own });
    expect(await absent.exit).toEqual({ code: 127 });
    expect(absent.tail.text()).toMatch(/not found|No such file/);
    expect(await readFile('/proc/self/comm', 'utf8').catch(() => 'node')).toBeTruthy();
  });
});
