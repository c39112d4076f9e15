// Which files a process of Node has loaded, for tests of what a start does without.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs `use` with variables for the environment of a process that ends in it, by itself or by a signal that it
 * obeys. Resolves with the addresses of the scripts that it ran, one a line.
 */
export async function loadedScripts(use) {
  // Node writes which scripts have run, for tools that measure coverage.
  const folder = mkdtempSync(join(tmpdir(), 'loaded-'));
  try {
    await use({ NODE_V8_COVERAGE: folder });
    return readdirSync(folder)
      .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).result.map(({ url }) => url))
      .join('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a plugin has loaded when it listens; `main` is the path of its program. */
export function loadedByPlugin(main) {
  return loadedScripts(async (env) => {
    const folder = mkdtempSync(join(tmpdir(), 'starting-'));
    const child = spawn(process.execPath, [main], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        PLUGIN_ENDPOINT: `unix://${join(folder, 'p.sock')}`,
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk) => {
      if (!log.includes('"listening"') && (log += chunk).includes('"listening"')) child.kill('SIGTERM');
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the plugin ended with ${code}:\n${log}`);
  });
}
