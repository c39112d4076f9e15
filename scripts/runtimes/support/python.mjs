// Python packages, each group in a virtual environment of its own: their protobuf versions do not agree.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, noDebian } from './apt.mjs';
import { which } from './command.mjs';

const FACTS = `
import importlib.util, json, os, sys, sysconfig
v = "%d.%d" % sys.version_info[:2]
d = sysconfig.get_config_var("LIBDIR") or ""
print(json.dumps({"version": v, "libdir": d, "shared": os.path.exists(os.path.join(d, "libpython%s.so.1.0" % v)),
  "multiarch": sysconfig.get_config_var("MULTIARCH") or "", "venv": importlib.util.find_spec("ensurepip") is not None}))
`;

function candidates() {
  const found = [process.env.OUTRIGGER_PYTHON, '/usr/bin/python3', which('python3')];
  return [...new Set(found)].filter((file) => file !== undefined && file !== '' && existsSync(file));
}

/** Why no virtual environment can be made on this machine, or undefined. */
export function noPython() {
  return candidates().length > 0 || noDebian() === undefined
    ? undefined
    : 'needs python3 (or $OUTRIGGER_PYTHON)';
}

async function inspect(python, run) {
  const { stdout } = await run(python, ['-c', FACTS], { seconds: 30 });
  return { python, ...JSON.parse(stdout.trim().split('\n').at(-1)) };
}

/**
 * The first Python of this machine that fits, as `{ python, version, libdir }`. On Debian, as root, what is
 * missing (python3-venv, libpython) is installed.
 * @param versions minor versions that will do, such as `['3.11', '3.12']`; any when left out
 * @param shared true when libpython of the very same build is needed
 */
export async function choosePython({ root, run, signal, versions, shared = false }) {
  if (candidates().length === 0) await ensurePackages(['python3', 'python3-venv'], { root, run, signal });
  const seen = [];
  for (const file of candidates()) {
    let facts = await inspect(file, run);
    if (versions && !versions.includes(facts.version)) {
      seen.push(`${file} is ${facts.version}`);
      continue;
    }
    if (
      file === '/usr/bin/python3' &&
      (!facts.venv || (shared && !facts.shared)) &&
      noDebian() === undefined
    ) {
      await ensurePackages(
        [`python${facts.version}-venv`, ...(shared ? [`libpython${facts.version}`] : [])],
        { root, run, signal },
      );
      facts = await inspect(file, run);
    }
    // Debian keeps the library in the multiarch folder, where the loader looks by itself.
    const library = join('/usr/lib', facts.multiarch, `libpython${facts.version}.so.1.0`);
    if (facts.venv && (!shared || facts.shared || existsSync(library))) return facts;
    seen.push(`${file} lacks ${facts.venv ? `libpython${facts.version}.so.1.0` : 'the module ensurepip'}`);
  }
  throw new Error(
    `no Python fits${versions ? ` (${versions.join(' or ')})` : ''}: ${seen.join('; ') || 'there is none'}`,
  );
}

/** Makes a virtual environment in `folder` and installs exact versions. Resolves with its python. */
export async function makeVenv(folder, requirements, { python, run, flags = [] }) {
  rmSync(folder, { recursive: true, force: true });
  await run(python, ['-m', 'venv', folder], { seconds: 120 });
  const inside = join(folder, 'bin/python');
  const env = { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1', PYTHONPATH: '' };
  await run(inside, ['-m', 'pip', 'install', '-q', ...flags, ...requirements], { env, seconds: 600 });
  return inside;
}

/** The installed version of a distribution, asked from the environment's own python. */
export async function distributionVersion(python, name, run) {
  const code = `import importlib.metadata as m; print(m.version(${JSON.stringify(name)}))`;
  return (await run(python, ['-c', code], { seconds: 30 })).stdout.trim();
}

/** A part that is a virtual environment. `path` is `entry` below it, its python when left out; `python` is always there. */
export function venvPart({ name, aliases, about, requirements, shown, entry, versions, link }) {
  return {
    name,
    aliases,
    about,
    pin: `${requirements.join(' ')} 1`,
    unavailable: noPython,
    async install({ root, run, signal }) {
      const home = join(root, name);
      const { python } = await choosePython({ root, run, signal, versions });
      const inside = await makeVenv(home, requirements, { python, run });
      const path = entry ? join(home, entry) : inside;
      link?.(root, path);
      return { path, python: inside };
    },
    probe: ({ python }, run) => distributionVersion(python, shown, run),
  };
}
