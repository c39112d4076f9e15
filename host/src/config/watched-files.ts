import { statSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';

/** How files are watched, in milliseconds. */
export interface WatchTiming {
  /** Quiet after the last change before it counts as done. */
  readonly quietMs: number;
  /** How often files are looked at all the same: some file systems tell of no changes. */
  readonly pollMs: number;
}

const defaultTiming: WatchTiming = { quietMs: 200, pollMs: 5000 };

/**
 * Tells when any of some files has changed. Their directories are watched and
 * not they themselves: editors put another file in the place of the old one, and
 * mounted secrets change through links. What tells is whether the file differs.
 */
export class WatchedFiles {
  private readonly watchers = new Map<string, FSWatcher>();
  private files: readonly string[] = [];
  private seen = '';
  private quiet: NodeJS.Timeout | undefined;
  private readonly poll: NodeJS.Timeout;

  constructor(
    private readonly onChanged: () => void,
    private readonly timing: WatchTiming = defaultTiming,
  ) {
    this.poll = setInterval(() => {
      this.look();
    }, timing.pollMs);
    this.poll.unref();
  }

  /** Watches these files and no others; those that are new count as known as they are now. */
  update(files: readonly string[]): void {
    if (files.join('\0') === this.files.join('\0')) return;
    this.files = files;
    // A change that is waiting for quiet must not be forgotten.
    this.seen = this.quiet === undefined ? signature(files) : '';
    const wanted = new Set(files.map((file) => dirname(file)));
    for (const [folder, watcher] of this.watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.watchers.delete(folder);
    }
    for (const folder of wanted) if (!this.watchers.has(folder)) this.begin(folder);
  }

  close(): void {
    clearInterval(this.poll);
    clearTimeout(this.quiet);
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }

  private begin(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.look();
      });
      // The directory itself may go; looking from time to time goes on.
      watcher.on('error', () => {
        watcher.close();
        this.watchers.delete(folder);
      });
      this.watchers.set(folder, watcher);
    } catch {
      // Looked at from time to time.
    }
  }

  private look(): void {
    if (signature(this.files) === this.seen) return;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => {
      this.quiet = undefined;
      const now = signature(this.files);
      if (now === this.seen) return;
      this.seen = now;
      this.onChanged();
    }, this.timing.quietMs);
    this.quiet.unref();
  }
}

/** Differs when a file is another one, was written or is gone. */
function signature(files: readonly string[]): string {
  return files
    .map((file) => {
      const found = statSync(file, { bigint: true, throwIfNoEntry: false });
      return found === undefined ? '-' : `${found.ino}:${found.size}:${found.mtimeNs}`;
    })
    .join(' ');
}
