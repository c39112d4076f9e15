import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A file of the page, as it is sent. */
export interface PageFile {
  readonly text: string;
  readonly type: string;
  /** Strong entity tag, quoted. */
  readonly etag: string;
}

/** Lies beside src and dist alike, as the compiler copies nothing. */
const folder = new URL('../../../assets/dashboard/', import.meta.url);

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
} as const;

/** All files of the page; what is not in this list is not served. */
export const pageFileNames = [
  'index.html',
  'dashboard.css',
  'dashboard.js',
  'actions.js',
  'client.js',
  'dom.js',
  'event-list.js',
  'figures.js',
  'plugin-card.js',
  'words.js',
] as const;

const read = new Map<string, PageFile>();

/** A file of the page, read when it is first asked for. Throws when the package is incomplete. */
export function pageFile(name: (typeof pageFileNames)[number]): PageFile {
  const known = read.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(new URL(name, folder), 'utf8');
  const digest = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  const type = types[name.slice(name.lastIndexOf('.') + 1) as keyof typeof types];
  const file = { text, type, etag: `"${digest}"` };
  read.set(name, file);
  return file;
}
