import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { MemoryGuard, groupMemory } from './memory-guard.js';
import { PluginRegistry } from './plugin-registry.js';
import { FakeLauncher, silentLog, testSource, until } from './testing/fake-launcher.js';

it('exchanges a plugin that holds too much, once, and leaves the others alone', async () => {
  const launcher = new FakeLauncher();
  const registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 100 });
  registry.add(testSource({ name: 'big', memoryBytes: 100 }));
  registry.add(testSource({ name: 'small', memoryBytes: 1000 }));
  registry.add(testSource({ name: 'free' }));
  await until(() => registry.activeInstances().length === 3);
  const replaced: string[] = [];
  const guard = new MemoryGuard({
    registry,
    log: silentLog,
    memoryOf: () => Promise.resolve(200 * 2 ** 20),
    replace: (slot, why) => {
      replaced.push(`${slot.name}: ${why}`);
      return slot.name === 'big' ? Promise.reject(new Error('no room')) : Promise.resolve();
    },
  });
  const small = registry.get('small');
  if (small !== undefined) small.adopted(testSource({ name: 'small', memoryBytes: 2 ** 30 }));
  await guard.look();
  // One that could not be exchanged is not tried again at once.
  await guard.look();
  expect(replaced).toEqual(['big: it holds 200 MiB of memory and may hold 0']);
  await registry.close(10);
});

(existsSync('/proc/self/stat') ? it : it.skip)('counts a whole process group', async () => {
  const script = `require('child_process').spawn(process.execPath,['-e','setInterval(()=>{},1000)'],{stdio:'ignore'});setInterval(()=>{},1000)`;
  const child = spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore' });
  try {
    const group = child.pid ?? 0;
    // Two runtimes hold more than one: some 40 MiB each.
    let held = 0;
    const look = async (): Promise<void> => {
      held = (await groupMemory(group)) ?? 0;
    };
    const deadline = Date.now() + 10_000;
    while (held < 55 * 2 ** 20 && Date.now() < deadline) await look();
    expect(held).toBeGreaterThan(55 * 2 ** 20);
    expect(await groupMemory(2 ** 30)).toBe(0);
  } finally {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  }
});
