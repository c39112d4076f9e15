import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, expect } from '@jest/globals';
import { discoverBundledPlugins } from './bundled-plugins.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outrigger-bundled-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function place(folder: string, manifest: object, files: string[] = ['main.js']): Promise<void> {
  await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, folder, 'package.json'), JSON.stringify(manifest));
  for (const file of files) await writeFile(join(root, folder, file), '');
}
const plugin = (more: object = {}) => ({ plugin: true, entry: './main.js', ...more });

describe('bundled plugins', () => {
  it('are found beside the host, in a workspace and installed', async () => {
    await place('plugins/b', {
      name: '@outrigger/plugin-b',
      outrigger: plugin({ autostart: true, env: ['B_*', 'B'], config: { x: 1 } }),
    });
    await place('plugins/other', { name: 'other' });
    await place('plugins/broken', { name: 'broken', outrigger: plugin({ entry: 7 }) });
    await place('plugins/wild', { name: 'wild', outrigger: plugin({ env: ['*'] }) });
    await place('plugins/raw', { name: '@outrigger/plugin-raw', outrigger: plugin() }, []);
    await place('node_modules/@outrigger/plugin-a', { name: '@outrigger/plugin-a', outrigger: plugin() });
    await place('node_modules/@outrigger/plugin-b', { name: '@outrigger/plugin-b', outrigger: plugin() });
    await place('node_modules/@outrigger/sdk-plugin', { name: '@outrigger/sdk-plugin', outrigger: plugin() });
    const { plugins, warnings } = await discoverBundledPlugins({
      hostDirectory: join(root, 'host'),
      execPath: '/node',
    });
    expect(plugins).toEqual([
      {
        name: 'a',
        autostart: false,
        command: ['/node', join(root, 'node_modules/@outrigger/plugin-a/main.js')],
        env: [],
        config: {},
        directory: join(root, 'node_modules/@outrigger/plugin-a'),
      },
      {
        name: 'b',
        autostart: true,
        command: ['/node', join(root, 'plugins/b/main.js')],
        env: ['B_*', 'B'],
        config: { x: 1 },
        directory: join(root, 'plugins/b'),
      },
    ]);
    expect(warnings).toEqual([
      expect.stringContaining('broken'),
      expect.stringContaining('npm run build'),
      expect.stringContaining('wild'),
    ]);
  });

  it('are found next to an installed host, and nowhere is fine', async () => {
    await place('node_modules/@outrigger/plugin-a', { name: '@outrigger/plugin-a', outrigger: plugin() });
    const installed = await discoverBundledPlugins({
      hostDirectory: join(root, 'node_modules/@outrigger/host'),
    });
    expect(installed.plugins.map(({ name }) => name)).toEqual(['a']);
    expect(await discoverBundledPlugins({ hostDirectory: join(root, 'empty/host') })).toEqual({
      plugins: [],
      warnings: [],
    });
  });
});
