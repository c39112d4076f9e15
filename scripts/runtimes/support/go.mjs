// Go programs, built from an exact version through the machine's own module proxy and checksum database.
import { join } from 'node:path';
import { which } from './command.mjs';

/** Why Go programs cannot be built on this machine, or undefined. */
export function noGo() {
  return which('go') ? undefined : 'needs Go (Debian: golang-go)';
}

/**
 * `go install` of one package into `bin`. The module and build caches are the machine's own; without a HOME
 * they go below `root`. New modules are writable (-modcacherw), so that a cache folder can simply be deleted.
 */
export async function goInstall(target, { bin, root, run, flags = [], env = {} }) {
  const caches = process.env.HOME ? {} : { GOPATH: join(root, 'go'), GOCACHE: join(root, 'go/build') };
  const goflags = `${process.env.GOFLAGS ?? ''} -modcacherw`.trim();
  await run('go', ['install', ...flags, target], {
    env: { ...process.env, ...caches, ...env, GOBIN: bin, GOFLAGS: goflags },
    seconds: 1200,
  });
}
