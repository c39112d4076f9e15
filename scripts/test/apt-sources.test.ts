import { describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { debianMirrors } from '../runtimes/support/apt.mjs';

/** The mirrors that a machine with these files in its apt folder would use. */
function mirrorsOf(files: Record<string, string>): string[] {
  const etc = mkdtempSync(join(tmpdir(), 'apt-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(etc, name)), { recursive: true });
      writeFileSync(join(etc, name), text);
    }
    return debianMirrors(etc);
  } finally {
    rmSync(etc, { recursive: true, force: true });
  }
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

describe('the Debian mirror of the machine', () => {
  it('comes from a deb822 file, comments and the security archive left out', () => {
    const text = `Types: deb
# URIs: http://old.test/debian
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: ${KEYRING}

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
`;
    expect(mirrorsOf({ 'sources.list.d/debian.sources': text })).toEqual(['http://mirror.test/debian']);
  });

  it('passes a mirror list of apt through, and continuation lines are read', () => {
    const text = `Types: deb deb-src
URIs:
 mirror+file:/etc/apt/mirrors/debian.list
Suites: trixie
Components: main contrib
`;
    expect(mirrorsOf({ 'sources.list.d/debian.sources': text })).toEqual([
      'mirror+file:/etc/apt/mirrors/debian.list',
    ]);
  });

  it('comes from a classic sources.list with options', () => {
    const text = `# deb http://no.test/debian bookworm main
deb-src http://src.test/debian bookworm main
deb [arch=amd64 signed-by=${KEYRING}] https://classic.test/debian bookworm main non-free # ours
`;
    expect(mirrorsOf({ 'sources.list': text })).toEqual(['https://classic.test/debian']);
  });

  it('puts Debian before other archives, and leaves disabled ones out', () => {
    const files = {
      'sources.list.d/a-vendor.list': 'deb https://vendor.test/apt bookworm main\n',
      'sources.list.d/b-off.sources':
        'Types: deb\nURIs: http://off.test/debian\nSuites: sid\nComponents: main\nEnabled: no\n',
      'sources.list.d/c.sources': `Types: deb\nURIs: http://ours.test/\nSuites: bookworm\nComponents: main\nSigned-By: ${KEYRING}\n`,
    };
    expect(mirrorsOf(files)).toEqual(['http://ours.test/', 'https://vendor.test/apt']);
  });

  it('is nothing where apt is not configured', () => {
    expect(mirrorsOf({})).toEqual([]);
  });
});
