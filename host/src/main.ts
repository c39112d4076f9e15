#!/usr/bin/env node
import module from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Keeps compiled code between runs where Node can (22.8 and newer): the host starts sooner.
const node = module as { enableCompileCache?: () => unknown; getCompileCacheDir?: () => string | undefined };
node.enableCompileCache?.();
// And so do its plugins, as this is Node's default place. Without a folder to write to there is nothing to tell them.
const compiled =
  node.getCompileCacheDir?.() === undefined
    ? {}
    : { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };

const args = process.argv.slice(2);
if (args[0] === 'version' || args[0] === '--version' || args[0] === '-V') {
  const { printVersion } = await import('./cli/commands/version.js');
  printVersion(args.includes('--json'));
} else {
  // Who reads our output may leave at any time; that alone must not end a host.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const { run } = await import('./cli/program.js');
  process.exitCode = await run(args, {
    env: { ...compiled, ...process.env },
    cwd: process.cwd(),
    home: homedir(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    program: fileURLToPath(import.meta.url),
    execPath: process.execPath,
    // Only commands that run a host load it.
    loadHost: async () => (await import('./host.js')).createHost,
  });
  // Something may still hold the process, such as an open connection: the work is done all the same.
  setTimeout(() => process.exit(), 500).unref();
}
