import { expect, it } from '@jest/globals';
import { PluginRegistry } from './plugin-registry.js';
import { FakeLauncher, silentLog, testSource, until } from './testing/fake-launcher.js';

const signal = new AbortController().signal;

it('leases a version that was asked for, also from another entry of the same plugin', async () => {
  const launcher = new FakeLauncher();
  launcher.manifest = { name: 'fake' };
  const registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 100 });
  registry.add(testSource({ name: 'fake' }));
  await until(() => registry.activeInstances().length === 1);
  registry.add(testSource({ name: 'fake-next' }));
  await until(() => registry.activeInstances().length === 2);
  const plain = await registry.lease('fake', signal);
  expect([plain.instance.plugin, plain.instance.version]).toEqual(['fake', '1.0.1']);
  const pinned = await registry.leaseVersion('fake', '1.0.2', signal);
  expect([pinned.instance.plugin, pinned.instance.version]).toEqual(['fake-next', '1.0.2']);
  expect(() => registry.leaseVersion('fake', '9.9.9', signal)).toThrow(
    'plugin fake does not run in version 9.9.9; it runs in 1.0.1, 1.0.2',
  );
  plain.release();
  pinned.release();
  await registry.close(10);
});

it('tells when a plugin is taken out, refuses a second of a name, and takes none when it is closed', async () => {
  const launcher = new FakeLauncher();
  const registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 100 });
  const removed: string[] = [];
  registry.onRemoved((name) => removed.push(name));
  registry.add(testSource());
  expect(() => registry.add(testSource())).toThrow('a plugin named fake is there already');
  await registry.remove('fake', 10);
  expect(removed).toEqual(['fake']);
  expect(() => registry.lease('fake', signal)).toThrow('there is no plugin named fake');
  await registry.close(10);
  expect(() => registry.add(testSource())).toThrow('the host is shutting down');
});

it('tells requests that wait for a plugin why it will not come', async () => {
  const launcher = new FakeLauncher();
  const registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 60_000 });
  registry.add(testSource({ name: 'gone', maxInFlight: 1 }));
  registry.add(testSource({ name: 'stays', maxInFlight: 1 }));
  await until(() => registry.activeInstances().length === 2);
  const held = [await registry.lease('gone', signal), await registry.lease('stays', signal)];
  const waiting = [registry.lease('gone', signal), registry.lease('stays', signal)] as const;
  const removed = registry.remove('gone', 10);
  await expect(waiting[0]).rejects.toThrow('plugin gone was taken out');
  const closed = registry.close(10);
  await expect(waiting[1]).rejects.toThrow('the host is shutting down');
  for (const lease of held) lease.release();
  await Promise.all([removed, closed]);
});
