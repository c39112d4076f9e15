import { PullError } from './pull-error.js';

/** Where a model is fetched from. */
export interface PullSource {
  readonly url: URL;
  /** Name of the file, ending in .gguf. */
  readonly fileName: string;
  /** The address belongs to the hub: its token may go there, and nowhere else. */
  readonly hub: boolean;
}

const FORMS =
  'use hf:OWNER/REPO/FILE.gguf, hf:OWNER/REPO@REVISION/FILE.gguf or an http(s) address of a .gguf file';
const NAME = /^[\w.-]+$/;

/** Reads `hf:OWNER/REPO[@REVISION]/PATH.gguf` or an address. */
export function parseSource(source: string, hubEndpoint: string): PullSource {
  const text = source.trim();
  const hub = /^hf:(?:\/\/)?(.+)$/.exec(text)?.[1];
  if (hub !== undefined) return hubSource(hub, hubEndpoint);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new PullError('invalid', `${JSON.stringify(text)} is not a source of models; ${FORMS}`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new PullError('invalid', FORMS);
  if (url.username !== '' || url.password !== '') {
    throw new PullError('invalid', 'leave user name and password out of the address');
  }
  const fileName = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
  return { url, fileName: checkedName(fileName), hub: url.origin === new URL(hubEndpoint).origin };
}

function hubSource(path: string, endpoint: string): PullSource {
  const [owner = '', repoAndRevision = '', ...rest] = path.split('/');
  const [repo = '', revision = 'main'] = repoAndRevision.split('@');
  const names = [owner, repo, revision, ...rest];
  if (rest.length === 0 || names.some((name) => !NAME.test(name) || name === '..' || name === '.')) {
    throw new PullError('invalid', `${JSON.stringify(`hf:${path}`)} is not a model of the hub; ${FORMS}`);
  }
  const file = rest.map(encodeURIComponent).join('/');
  const url = new URL(`${endpoint}/${owner}/${repo}/resolve/${encodeURIComponent(revision)}/${file}`);
  return { url, fileName: checkedName(rest.at(-1) ?? ''), hub: true };
}

function checkedName(name: string): string {
  if (!/\.gguf$/i.test(name)) throw new PullError('invalid', `only .gguf files can be fetched; ${FORMS}`);
  // The name becomes a file of ours: nothing but a plain name may pass.
  if (!NAME.test(name) || name.startsWith('.')) {
    throw new PullError(
      'invalid',
      `the file name ${JSON.stringify(name)} has characters beyond letters, digits, ".", "_" and "-"`,
    );
  }
  return name;
}
