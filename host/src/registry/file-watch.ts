import { statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Logger } from '../telemetry/logger.js';
import type { PluginSource } from './plugin-source.js';

/** Quiet after the last change before it counts as done, in milliseconds. */
const quietMs = 250;

/**
 * Watches the files of plugins that are to be exchanged when they change. A
 * build writes many files: the exchange comes when it has been quiet.
 */
export class FileWatch {
  private readonly watched = new Map<string, { readonly key: string; readonly stop: () => void }>();

  constructor(
    /** Called with the name of a plugin whose files have changed. */
    private readonly onChanged: (plugin: string) => void,
    private readonly log: Logger,
  ) {}

  /** Watches what these sources name and nothing else. */
  update(sources: readonly PluginSource[]): void {
    const wanted = new Map(sources.filter((one) => one.watch.length > 0).map((one) => [one.name, one.watch]));
    for (const [name, { key, stop }] of this.watched) {
      if (wanted.get(name)?.join('\0') === key) continue;
      stop();
      this.watched.delete(name);
    }
    for (const [name, paths] of wanted) {
      if (!this.watched.has(name))
        this.watched.set(name, { key: paths.join('\0'), stop: this.begin(name, paths) });
    }
  }

  close(): void {
    this.update([]);
  }

  private begin(plugin: string, paths: readonly string[]): () => void {
    let timer: NodeJS.Timeout | undefined;
    const changed = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        this.onChanged(plugin);
      }, quietMs);
      timer.unref();
    };
    const watchers = paths.flatMap((path) => this.watch(plugin, path, changed) ?? []);
    return () => {
      clearTimeout(timer);
      for (const one of watchers) one.close();
    };
  }

  /** A file is watched through its directory: programs that write anew replace it. */
  private watch(plugin: string, path: string, changed: () => void): FSWatcher | undefined {
    try {
      const isDirectory = statSync(path).isDirectory();
      const watcher = isDirectory
        ? watch(path, { persistent: false, recursive: true }, (_event, file) => {
            if (!/(^|\/)(node_modules|\.git)\//.test(String(file))) changed();
          })
        : watch(dirname(path), { persistent: false }, (_event, file) => {
            if (file === null || file === basename(path)) changed();
          });
      watcher.on('error', (error) => {
        this.log.warn({ plugin, path, err: error }, 'files of a plugin can no longer be watched');
      });
      return watcher;
    } catch (error) {
      this.log.warn({ plugin, path, err: error }, 'files of a plugin cannot be watched');
      return undefined;
    }
  }
}
