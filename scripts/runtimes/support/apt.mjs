// Debian packages: the mirror comes from the machine's own apt configuration, signatures are always checked.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { which } from './command.mjs';
import { lock } from './cache.mjs';

const KEYRINGS = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
];

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Why Debian packages cannot be had on this machine, or undefined. */
export function noDebian() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `needs linux-x64, this is ${process.platform}-${process.arch}`;
  const id = /^ID="?([^"\n]+)"?$/m.exec(readText('/etc/os-release'))?.[1] ?? 'unknown';
  if (id !== 'debian') return `needs Debian, this is "${id}"`;
  if (!which('apt-get') || !which('dpkg-deb')) return 'needs apt-get and dpkg-deb';
  if (!KEYRINGS.some((file) => existsSync(file))) return 'needs the package debian-archive-keyring';
  return undefined;
}

/** The deb822 stanzas of a `.sources` file as `{ uri, suite, components, debian }` rows. */
export function parseSources(text) {
  const rows = [];
  for (const stanza of text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/)) {
    const field = (name) =>
      new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1]?.trim() ?? '';
    const words = (name) => field(name).split(/\s+/).filter(Boolean);
    if (!words('Types').includes('deb') || /^(no|false|0)$/i.test(field('Enabled'))) continue;
    for (const uri of words('URIs')) {
      for (const suite of words('Suites')) {
        rows.push({ uri, suite, components: words('Components'), signedBy: field('Signed-By') });
      }
    }
  }
  return rows;
}

/** The `deb` lines of a classic sources.list as the same rows. */
export function parseList(text) {
  const rows = [];
  for (const line of text.split('\n')) {
    const found = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+[^#\s]+)*)/.exec(line);
    if (!found) continue;
    const signedBy = /signed-by=(\S+)/.exec(found[1] ?? '')?.[1] ?? '';
    rows.push({ uri: found[2], suite: found[3], components: found[4].trim().split(/\s+/), signedBy });
  }
  return rows;
}

/**
 * The Debian mirrors of a machine, likeliest first. A third-party archive may be among them; apt refuses it, as
 * only Debian's own keys are accepted for what is fetched. `mirror+file:` addresses are apt's own and pass through.
 */
export function debianMirrors(etc = '/etc/apt') {
  const folder = join(etc, 'sources.list.d');
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  const rows = [
    ...files.filter((f) => f.endsWith('.sources')).flatMap((f) => parseSources(readText(join(folder, f)))),
    ...parseList(readText(join(etc, 'sources.list'))),
    ...files.filter((f) => f.endsWith('.list')).flatMap((f) => parseList(readText(join(folder, f)))),
  ].filter((row) => row.components.includes('main') && !/security/.test(`${row.uri} ${row.suite}`));
  const likelihood = (row) =>
    (/debian-archive/.test(row.signedBy) ? 2 : 0) + (/debian/.test(row.uri) ? 1 : 0);
  rows.sort((a, b) => likelihood(b) - likelihood(a));
  return [...new Set(rows.map((row) => row.uri))];
}

/**
 * Downloads packages of another suite and unpacks them below `prefix/root`, without touching the machine's apt
 * state. The index and the packages are verified with Debian's archive keys.
 */
export async function unpackDebs(packages, { suite, prefix, run }) {
  const mirrors = debianMirrors();
  if (mirrors.length === 0) throw new Error('no Debian mirror in /etc/apt (sources.list, sources.list.d)');
  const apt = join(prefix, 'apt');
  const debs = join(prefix, 'debs');
  for (const dir of ['parts', 'empty', 'state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, dir), { recursive: true });
  for (const dir of [debs, join(prefix, 'root')]) mkdirSync(dir, { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  const settings = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': join(apt, 'parts'),
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': join(apt, 'empty'),
    'Dir::State': join(apt, 'state'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache': join(apt, 'cache'),
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'APT::Sandbox::User': 'root',
    'APT::Update::Error-Mode': 'any',
  };
  const config = join(apt, 'apt.conf');
  writeFileSync(
    config,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  );
  const env = { ...process.env, APT_CONFIG: config };
  const keyring = KEYRINGS.find((file) => existsSync(file));
  let refused;
  for (const mirror of mirrors) {
    writeFileSync(
      join(apt, 'parts', 'debian.sources'),
      `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\nArchitectures: amd64\nSigned-By: ${keyring}\n`,
    );
    try {
      await run('apt-get', ['-q', 'update'], { env, seconds: 180 });
      refused = undefined;
      break;
    } catch (error) {
      refused = error;
    }
  }
  if (refused) throw refused;
  await run('apt-get', ['-q', 'download', ...packages], { env, cwd: debs, seconds: 300 });
  for (const file of readdirSync(debs)) await run('dpkg-deb', ['-x', join(debs, file), join(prefix, 'root')]);
  rmSync(apt, { recursive: true, force: true });
  rmSync(debs, { recursive: true, force: true });
}

/** Installs packages of the machine's own suite, only those that are missing, and only as root. */
export async function ensurePackages(packages, { root, run, signal }) {
  const missing = [];
  for (const name of packages) {
    const status = await run('dpkg-query', ['-W', '-f=${db:Status-Status}', name]).catch(() => ({
      stdout: '',
    }));
    if (status.stdout !== 'installed') missing.push(name);
  }
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) throw new Error(`missing Debian packages; run as root: ${command}`);
  const release = await lock(root, 'apt', { signal });
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const install = [
      '-q',
      'install',
      '-y',
      '--no-install-recommends',
      '-o',
      'DPkg::Lock::Timeout=300',
      ...missing,
    ];
    await run('apt-get', install, { env }).catch(async () => {
      await run('apt-get', ['-q', 'update'], { env, seconds: 180 }); // A fresh image has no package lists.
      await run('apt-get', install, { env });
    });
  } finally {
    await release();
  }
}
