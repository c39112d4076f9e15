// ghz, the gRPC load generator.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { linkBinary } from '../support/cache.mjs';
import { goInstall, noGo } from '../support/go.mjs';

const VERSION = '0.121.0';

export default {
  name: 'ghz',
  about: 'gRPC load generator',
  pin: `${VERSION} 1`,
  unavailable: noGo,

  async install({ root, run }) {
    const prefix = join(root, 'ghz');
    rmSync(prefix, { recursive: true, force: true });
    mkdirSync(prefix, { recursive: true });
    await goInstall(`github.com/bojand/ghz/cmd/ghz@v${VERSION}`, {
      bin: prefix,
      root,
      run,
      flags: ['-ldflags', `-s -w -X main.version=${VERSION}`],
    });
    linkBinary(root, 'ghz', join(prefix, 'ghz'));
    return { path: join(prefix, 'ghz') };
  },

  async probe({ path }, run) {
    const { stdout, stderr } = await run(path, ['--version'], { seconds: 20 });
    return (stdout + stderr).trim();
  },
};
