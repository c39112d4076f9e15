// A headless Chromium from Debian, for the tests of the dashboard. It is installed into the machine and not into the
// cache: a browser needs the fonts and libraries around it. Tests drive it with `--no-sandbox` when they run as root.
import { ensurePackages, noDebian } from '../support/apt.mjs';
import { linkBinary } from '../support/cache.mjs';
import { which } from '../support/command.mjs';

const PACKAGE = 'chromium-headless-shell';

/** The first browser on PATH that Debian's packages provide. */
function browser() {
  return which(PACKAGE) ?? which('chromium');
}

export default {
  name: 'chromium',
  aliases: [PACKAGE, 'browser'],
  about: 'headless Chromium, the eyes of the dashboard tests',
  pin: 'debian 1',
  unavailable: () => (browser() === undefined ? noDebian() : undefined),

  async install({ root, run, signal }) {
    if (browser() === undefined) await ensurePackages([PACKAGE, 'fonts-dejavu-core'], { root, run, signal });
    const path = browser();
    if (path === undefined) throw new Error(`${PACKAGE} is installed but not on PATH`);
    linkBinary(root, 'chromium', path);
    return { path };
  },

  async probe({ path }, run) {
    const { stdout } = await run(path, ['--version', '--no-sandbox'], { seconds: 30 });
    return /(\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? 'unknown';
  },
};
