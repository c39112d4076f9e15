import { mkdtempSync, rmSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { startHost, until } from '../../scripts/testing/host-process.mjs';

const say = `console.error('compiled code: ' + (process.env.NODE_COMPILE_CACHE ?? 'nowhere') + '.')`;
const canKeep = 'enableCompileCache' in module;

/** Where a plugin is told to keep its compiled code. */
async function told(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  const plugins = { a: { command: [process.execPath, '-e', say] } };
  const host = await startHost({ bundledPlugins: false, plugins }, { env });
  try {
    const said = (): string | undefined => /compiled code: (.*?)\./.exec(host.stderr())?.[1];
    await until(() => said() !== undefined, 'the plugin to say it');
    return said();
  } finally {
    await host.stop();
  }
}

it('plugins keep compiled code where the host keeps its own, where Node can', async () => {
  expect(await told({})).toBe(canKeep ? join(tmpdir(), 'node-compile-cache') : 'nowhere');
}, 60_000);

it('plugins are told no place where the operator wants none, and the operator’s where there is one', async () => {
  expect(await told({ NODE_DISABLE_COMPILE_CACHE: '1' })).toBe('nowhere');
  const own = mkdtempSync(join(tmpdir(), 'compiled-'));
  try {
    expect(await told({ NODE_COMPILE_CACHE: own })).toBe(own);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}, 60_000);
