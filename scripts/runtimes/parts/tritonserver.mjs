// NVIDIA Triton for CPU, taken out of the PyTriton wheel: the real server with its python backend.
//
// numpy 2 kills the backend's stub at the first inference, hence the pin, hence Python 3.11 or 3.12. The stub embeds
// libpython of one minor version, which must be the same build as the environment's python. It finds packages
// through the `python3` that comes first on PATH, never through PYTHONPATH.
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linkBinary } from '../support/cache.mjs';
import { choosePython, distributionVersion, makeVenv, noPython } from '../support/python.mjs';

const TRITON = '2.51.0';

export default {
  name: 'tritonserver',
  aliases: ['triton'],
  about: 'NVIDIA Triton, CPU, python backend',
  pin: 'nvidia-pytriton==0.7.0 numpy==1.26.4 1',
  unavailable: () =>
    process.platform === 'linux' && process.arch === 'x64'
      ? noPython()
      : `needs linux-x64, this is ${process.platform}-${process.arch}`,

  async install({ root, run, signal }) {
    const prefix = join(root, 'triton');
    rmSync(prefix, { recursive: true, force: true });
    mkdirSync(prefix, { recursive: true });
    const { python, version, libdir } = await choosePython({
      root,
      run,
      signal,
      versions: ['3.11', '3.12'],
      shared: true,
    });
    const venv = join(prefix, 'venv');
    const inside = await makeVenv(venv, ['nvidia-pytriton==0.7.0', 'numpy==1.26.4'], {
      python,
      run,
      flags: ['--no-deps'],
    });
    const server = join(venv, `lib/python${version}/site-packages/pytriton/tritonserver`);
    const stub = join(server, 'backends/python/triton_python_backend_stub');
    copyFileSync(join(server, 'python_backend_stubs', version, 'triton_python_backend_stub'), stub);
    chmodSync(stub, 0o755);
    const env = { ...process.env, LD_LIBRARY_PATH: libdir };
    const missing = /^.*not found.*$/m.exec((await run('ldd', [stub], { env })).stdout);
    if (missing)
      throw new Error(
        `the python backend lacks a library: ${missing[0].trim()} (Debian: libpython${version})`,
      );
    const launcher = join(prefix, 'tritonserver');
    writeFileSync(
      launcher,
      `#!/bin/sh
export PATH="${venv}/bin:$PATH" LD_LIBRARY_PATH="${libdir}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "${server}/bin/tritonserver" --backend-directory="${server}/backends" --cache-directory="${server}/caches" "$@"
`,
    );
    chmodSync(launcher, 0o755);
    linkBinary(root, 'tritonserver', launcher);
    return { path: launcher, python: inside };
  },

  async probe({ path, python }, run) {
    // --help exits with 1, so its text is what tells.
    const { stdout, stderr } = await run(path, ['--help'], { seconds: 20, accept: [0, 1] });
    if (!(stdout + stderr).includes('--model-repository'))
      throw new Error(`tritonserver does not start: ${stderr}`);
    return `${TRITON} (PyTriton ${await distributionVersion(python, 'nvidia-pytriton', run)})`;
  },
};
