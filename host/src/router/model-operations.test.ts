import { Operation } from '@outrigger/proto';
import { afterEach, expect, it } from '@jest/globals';
import { PluginRegistry } from '../registry/plugin-registry.js';
import { FakeLauncher, silentLog, testSource, until } from '../registry/testing/fake-launcher.js';
import type { RequestContext } from '../request-context.js';
import { LoadBoard } from '../telemetry/load-board.js';
import type { ModelIndex } from './model-index.js';
import { ModelOperations } from './model-operations.js';

let registry: PluginRegistry;
// Also when the test fails: what does not start is tried again and again.
afterEach(() => registry.close(10));

it('does not take an address for the plugin that happens to be there while another is away', async () => {
  const launcher = new FakeLauncher();
  launcher.manifest = { operations: [Operation.OPERATION_PULL_MODEL] };
  registry = new PluginRegistry({ launcher, log: silentLog, now: Date.now, holdMs: 10 });
  registry.add(testSource({ name: 'there' }));
  await until(() => registry.activeInstances().length === 1);
  const models = { refresh: () => Promise.resolve() } as unknown as ModelIndex;
  const loads = new LoadBoard();
  const operations = new ModelOperations({ registry, models, loads, timeoutMs: 1000 });
  const pull = async (source: string): Promise<unknown> => {
    const leaves = new AbortController();
    const context = { signal: leaves.signal } as RequestContext;
    const steps = operations.pullModel(source, undefined, context)[Symbol.asyncIterator]();
    let over = false;
    const first = steps
      .next()
      .catch((thrown: unknown) => thrown)
      .finally(() => (over = true));
    await until(() => over || registry.get('there')?.active?.inFlight === 1);
    leaves.abort();
    return first;
  };
  const address = 'https://example.test/a-model';
  // Everybody is there: it is the only one who can fetch.
  expect(await pull(address)).toMatchObject({ kind: 'cancelled' });
  launcher.failing = new Error('does not start');
  registry.add(testSource({ name: 'away' }));
  expect(await pull(address)).toMatchObject({
    kind: 'plugin_unavailable',
    message: expect.stringContaining('while away is away'),
  });
  expect(await pull('a-name')).toMatchObject({ kind: 'cancelled' });
});
