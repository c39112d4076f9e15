// Ollama, built with Go. Since 0.30 its engine is a llama-server that it expects in `../lib/ollama` beside its real
// folder (never on PATH); llama-quantize is looked for in the same place when a model is created.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { noDebian } from '../support/apt.mjs';
import { linkBinary } from '../support/cache.mjs';
import { goInstall, noGo } from '../support/go.mjs';

const VERSION = '0.34.4';

export default {
  name: 'ollama',
  about: 'Ollama, CPU, with the llama-server of this cache as its engine',
  pin: `${VERSION} 1`,
  needs: ['llama-server'],
  unavailable: () => noGo() ?? noDebian(),

  async install({ root, run, entries }) {
    const prefix = join(root, 'ollama');
    rmSync(prefix, { recursive: true, force: true });
    const [bin, lib] = [join(prefix, 'bin'), join(prefix, 'lib/ollama')];
    for (const dir of [bin, lib]) mkdirSync(dir, { recursive: true });
    await goInstall(`github.com/ollama/ollama@v${VERSION}`, {
      bin,
      root,
      run,
      flags: ['-ldflags', `-s -w -X github.com/ollama/ollama/version.Version=${VERSION}`],
      env: { CGO_CFLAGS: '-O1 -g0', CGO_CXXFLAGS: '-O1 -g0' },
    });
    const engine = entries['llama-server'];
    symlinkSync(engine.path, join(lib, 'llama-server'));
    symlinkSync(engine.quantize, join(lib, 'llama-quantize'));
    linkBinary(root, 'ollama', join(bin, 'ollama'));
    return { path: join(bin, 'ollama') };
  },

  async probe({ path }, run) {
    // Without a HOME of its own it would leave a key in the user's; OLLAMA_HOST keeps it from asking a running one.
    const { stdout, stderr } = await run(path, ['--version'], {
      seconds: 20,
      env: { ...process.env, OLLAMA_HOST: '127.0.0.1:1' },
    });
    return /version is ([\w.+-]+)/.exec(stdout + stderr)?.[1] ?? 'unknown';
  },
};
