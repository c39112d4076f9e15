// Packages from npm in a folder of their own: they are judges and peers, not dependencies of this workspace.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The installed version of `name` below `folder`. Throws when it is not there. */
export function installedVersion(folder, name) {
  return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/**
 * Installs exact versions into `folder` without running any install script.
 * `manifest` is merged into the folder's package.json (`dependencies`, `overrides`).
 */
export async function npmInstall(folder, manifest, run) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, ...manifest }, undefined, 2));
  // --prefix, because a folder inside a workspace would otherwise be taken for a part of it.
  const flags = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', ...flags], { cwd: folder, env: cleanEnvironment(), seconds: 300 });
}

/** Without what `npm run` says about the package that we were started from. */
function cleanEnvironment() {
  const ours = /^npm_(package|lifecycle)_|^npm_config_(local_prefix|prefix)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

/**
 * A part that is one npm package.
 * @param entry path below the package that the manifest names; the folder with package.json when it is left out
 */
export function npmPart({
  name,
  packageName,
  version,
  about,
  aliases,
  entry,
  folder = name,
  overrides,
  unavailable,
  link,
}) {
  return {
    name,
    aliases,
    about,
    pin: `${packageName}@${version} 1`,
    unavailable,
    async install({ root, run }) {
      const home = join(root, folder);
      await npmInstall(
        home,
        { dependencies: { [packageName]: version }, ...(overrides ? { overrides } : {}) },
        run,
      );
      const path = entry ? join(home, 'node_modules', packageName, entry) : home;
      if (!existsSync(path)) throw new Error(`${packageName}@${version} has no ${entry}`);
      link?.(root, path);
      return { path, home };
    },
    async probe({ home }) {
      return installedVersion(home, packageName);
    },
  };
}
