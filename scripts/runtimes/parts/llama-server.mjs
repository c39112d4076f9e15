// llama-server from Debian sid, relocated: its own glibc and ELF loader below the cache, nothing of the machine touched.
//
// sid needs a newer glibc than any stable Debian has. Starting it through `ld-linux --library-path` is not enough:
// the process then believes that the loader is its executable, does not find its CPU backends, and router mode,
// which starts itself again, fails. So interpreter and library path are written into the files with patchelf.
import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { noDebian, unpackDebs } from '../support/apt.mjs';
import { linkBinary } from '../support/cache.mjs';

const PACKAGES = [
  ...['llama.cpp-tools', 'libllama0', 'libggml0', 'libssl3t64', 'libzstd1', 'zlib1g'],
  ...['libgomp1', 'libstdc++6', 'libgcc-s1', 'libc6', 'patchelf'],
];

function elfFiles(folder, pattern) {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { withFileTypes: true });
  return files.filter((f) => f.isFile() && pattern.test(f.name)).map((f) => join(folder, f.name));
}

export default {
  name: 'llama-server',
  aliases: ['llama', 'llama-cpp'],
  about: 'llama.cpp server, CPU, from Debian sid',
  pin: 'sid 1',
  unavailable: noDebian,

  async install({ root, run }) {
    const prefix = join(root, 'llama');
    rmSync(prefix, { recursive: true, force: true });
    await unpackDebs(PACKAGES, { suite: 'sid', prefix, run });
    const bin = join(prefix, 'root/usr/bin');
    const loader = readdirSync(join(prefix, 'root/usr'), { recursive: true, withFileTypes: true }).find(
      (f) => f.isFile() && /^ld-linux.*\.so\.\d+$/.test(f.name),
    );
    if (!loader) throw new Error('the package libc6 has no ELF loader where one was expected');
    const interpreter = join(loader.parentPath ?? loader.path, loader.name);
    const libraries = dirname(interpreter);
    const rpath = `${libraries}:${join(libraries, 'llama')}`;
    const patchelf = (...args) =>
      run(interpreter, [
        '--inhibit-cache',
        '--library-path',
        libraries,
        join(bin, 'patchelf'),
        '--force-rpath',
        '--set-rpath',
        rpath,
        ...args,
      ]);
    for (const file of elfFiles(bin, /^llama-/)) await patchelf('--set-interpreter', interpreter, file);
    for (const folder of [libraries, join(libraries, 'llama')]) {
      for (const file of elfFiles(folder, /^lib(llama|mtmd|ggml).*\.so/)) await patchelf(file);
    }
    // ggml looks for its CPU backends beside the executable.
    for (const folder of readdirSync(join(libraries, 'ggml')).filter((name) => name.startsWith('backends'))) {
      for (const file of readdirSync(join(libraries, 'ggml', folder)).filter((name) =>
        /^libggml-.*\.so$/.test(name),
      )) {
        symlinkSync(join(libraries, 'ggml', folder, file), join(bin, file));
      }
    }
    linkBinary(root, 'llama-server', join(bin, 'llama-server'));
    linkBinary(root, 'llama-quantize', join(bin, 'llama-quantize'));
    return { path: join(bin, 'llama-server'), quantize: join(bin, 'llama-quantize') };
  },

  async probe({ path }, run) {
    const { stdout, stderr } = await run(path, ['--version'], { seconds: 20 });
    return /version:\s*(.+)/.exec(stdout + stderr)?.[1]?.trim() ?? 'unknown';
  },
};
