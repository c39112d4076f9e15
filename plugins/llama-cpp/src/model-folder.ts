import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { GgufError } from './gguf/byte-window.js';
import { modelFacts, type ModelFacts } from './gguf/model-facts.js';
import { readGgufHeader } from './gguf/reader.js';

/** A model file that can be loaded. */
export interface FolderModel {
  readonly id: string;
  readonly path: string;
  readonly modified: Date;
  readonly facts: ModelFacts;
}

/** A file that looks like a model and is none, or not yet. */
export interface RefusedFile {
  readonly path: string;
  readonly reason: string;
}

export interface FolderContents {
  readonly models: readonly FolderModel[];
  readonly refused: readonly RefusedFile[];
}

const MAX_FILES = 2_000;
const MAX_DEPTH = 4;
const SETTLE_MS = 200;

interface Known {
  readonly stamp: string;
  readonly outcome: { facts: ModelFacts } | { refused: string };
}

/**
 * The models in some folders, now and while the plugin runs. Files change under it: a header is read again when size
 * or time of a file changed, so a download in progress is refused as incomplete until it is whole.
 */
export class ModelFolders {
  readonly #folders: readonly string[];
  readonly #rescanMs: number;
  readonly #onChange: (contents: FolderContents) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #known = new Map<string, Known>();
  #contents: FolderContents = { models: [], refused: [] };
  #timer: NodeJS.Timeout | undefined;
  #scan: Promise<void> | undefined;
  /** When the timer fires, in milliseconds since the epoch. */
  #due = Number.POSITIVE_INFINITY;
  #notices = 0;
  #closed = false;

  /**
   * @param rescanMs how often to look without being told; notices may be lost, and some file systems send none.
   * @param onChange called after every scan that found something new.
   */
  constructor(
    folders: readonly string[],
    options: { rescanMs?: number; onChange?: (contents: FolderContents) => void } = {},
  ) {
    this.#folders = folders;
    this.#rescanMs = options.rescanMs ?? 5_000;
    this.#onChange = options.onChange ?? (() => undefined);
  }

  get contents(): FolderContents {
    return this.#contents;
  }

  /** Looks now; a look that is under way is awaited and followed by another. */
  async refresh(): Promise<FolderContents> {
    while (this.#scan !== undefined) await this.#scan;
    this.#scan = this.#look().finally(() => (this.#scan = undefined));
    await this.#scan;
    return this.#contents;
  }

  /** Looks once and then keeps looking until `close`. */
  async start(): Promise<FolderContents> {
    const contents = await this.refresh();
    this.#plan(this.#rescanMs);
    return contents;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#scan?.catch(() => undefined);
  }

  /** Looks again after so many milliseconds, or earlier when that is planned already: no stream of notices delays it. */
  #plan(wait: number): void {
    const due = Date.now() + wait;
    if (this.#closed || (this.#timer !== undefined && this.#due <= due)) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.#tick(), wait);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    const seen = this.#notices;
    await this.refresh().catch(() => undefined);
    this.#timer = undefined;
    this.#plan(this.#notices === seen ? this.#rescanMs : SETTLE_MS);
  }

  /** Without a watcher the rescan still finds everything, a little later. */
  #listen(folder: string): void {
    if (this.#closed || this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#notices++;
        this.#plan(SETTLE_MS);
      });
      const drop = (): void => {
        watcher.close();
        this.#watchers.delete(folder);
      };
      watcher.on('error', drop);
      this.#watchers.set(folder, watcher);
    } catch {
      // Not there yet, or no watching on this file system.
    }
  }

  async #look(): Promise<void> {
    const found: { path: string; folder: string }[] = [];
    for (const folder of this.#folders) {
      await collect(folder, 0, (path) => {
        if (found.length < MAX_FILES) found.push({ path, folder });
      });
    }
    const known = new Map<string, Known>();
    const files: { path: string; folder: string; modified: Date; known: Known }[] = [];
    for (const { path, folder } of found) {
      const info = await stat(path).catch(() => undefined);
      if (info?.isFile() !== true || known.has(path)) continue;
      const stamp = `${info.size}/${info.mtimeMs}/${info.ino}`;
      const before = this.#known.get(path);
      const entry = before?.stamp === stamp ? before : { stamp, outcome: await inspect(path) };
      known.set(path, entry);
      files.push({ path, folder, modified: info.mtime, known: entry });
    }
    for (const folder of this.#folders) this.#listen(folder);
    const changed =
      known.size !== this.#known.size ||
      [...known].some(([path, { stamp }]) => this.#known.get(path)?.stamp !== stamp);
    this.#known = known;
    if (!changed) return;
    this.#contents = arrange(files);
    this.#onChange(this.#contents);
  }
}

type Inspected = { path: string; folder: string; modified: Date; known: Known };

function arrange(files: readonly Inspected[]): FolderContents {
  const models: FolderModel[] = [];
  const refused: RefusedFile[] = [];
  const taken = new Set<string>();
  for (const { path, folder, modified, known } of [...files].sort(shallowFirst)) {
    if ('refused' in known.outcome) {
      refused.push({ path, reason: known.outcome.refused });
      continue;
    }
    const { facts } = known.outcome;
    if (facts.auxiliary) continue;
    const id = freeId(path, folder, taken);
    taken.add(id);
    models.push({ id, path, modified, facts });
  }
  return { models, refused };
}

/** The file nearest to the top gets the plain name. */
function shallowFirst(a: Inspected, b: Inspected): number {
  const depth = ({ path }: Inspected): number => path.split(/[\\/]/).length;
  return depth(a) - depth(b) || (a.path < b.path ? -1 : 1);
}

/** `-00001-of-00003` marks the parts of one model. */
const PART = /-(\d{5})-of-\d{5}$/;

/** The file's name without its ending; when that is taken, with its folder before it. */
function freeId(path: string, folder: string, taken: ReadonlySet<string>): string {
  const name = (file: string): string =>
    basename(file)
      .replace(/\.gguf$/i, '')
      .replace(PART, '');
  const plain = name(path);
  if (!taken.has(plain)) return plain;
  const parent = relative(folder, dirname(path)).split(/[\\/]/).filter(Boolean);
  const long = [...parent, plain].join('--');
  for (let n = 2; ; n++) {
    const id = n === 2 && !taken.has(long) ? long : `${long}--${n}`;
    if (!taken.has(id)) return id;
  }
}

async function collect(folder: string, depth: number, add: (path: string) => void): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH) await collect(path, depth + 1, add);
    else if (!entry.isDirectory() && isModelFile(entry.name)) add(path);
  }
}

/** Downloads in progress carry another ending; of a model in parts the first stands for all. */
function isModelFile(name: string): boolean {
  if (!/\.gguf$/i.test(name)) return false;
  const part = PART.exec(name.replace(/\.gguf$/i, ''))?.[1];
  return part === undefined || part === '00001';
}

async function inspect(path: string): Promise<Known['outcome']> {
  try {
    return { facts: modelFacts(await readGgufHeader(path)) };
  } catch (error) {
    return { refused: error instanceof GgufError ? error.message : 'the file cannot be read' };
  }
}
