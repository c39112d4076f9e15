import { problemLines, type ConfigOrigin, ConfigSource } from './config/config-source.js';
import type { Config } from './config/schema.js';
import { WatchedFiles } from './config/watched-files.js';
import { GatewayError } from './errors/gateway-error.js';
import type { Reconciliation } from './registry/reconciler.js';
import type { EventLog } from './telemetry/event-log.js';
import type { Logger } from './telemetry/logger.js';

/** What is told of the configuration in force. */
export interface ConfigStatus {
  /** Path of the file; null when there is none. */
  readonly file: string | null;
  /** When it was taken, ISO 8601. */
  readonly loaded_at: string;
  /** 1 at the start, one more with each that was taken. */
  readonly generation: number;
  /** Why the last one that was read is not in force. */
  readonly error?: string;
  /** Options that differ in the file and need a restart. */
  readonly restart_needed?: readonly string[];
  /** Plugins that did not take what it says and go on as they were, with the reason. */
  readonly refused?: Readonly<Record<string, string>>;
}

/** What a reload has changed. */
export interface ReloadReport extends ConfigStatus {
  readonly plugins: Reconciliation;
  readonly warnings: readonly string[];
}

/** What reloading works with. */
export interface ReloaderOptions {
  readonly origin: ConfigOrigin;
  /** Takes a configuration whole, or rejects and changes nothing. */
  readonly apply: (config: Config) => Promise<Reconciliation>;
  readonly events: EventLog;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Takes the configuration again: on request, and when one of its files changes.
 * A bad one changes nothing; why is in the log, in the events and in the status.
 */
export class Reloader {
  private readonly source: ConfigSource;
  private generation = 1;
  private loadedAt: number;
  private error: string | undefined;
  private restart: readonly string[] = [];
  private refused: Reconciliation['refused'] = [];
  private files: WatchedFiles | undefined;
  private running: Promise<ReloadReport> | undefined;
  private waiting: Promise<ReloadReport> | undefined;

  constructor(private readonly options: ReloaderOptions) {
    this.source = new ConfigSource(options.origin);
    this.loadedAt = options.now();
  }

  /** Begins to watch the files. */
  watch(): void {
    this.files = new WatchedFiles(() => {
      // The refusal is told where it is found.
      this.reload('its file has changed').catch(() => undefined);
    });
    this.files.update(this.source.files);
  }

  close(): void {
    this.files?.close();
  }

  status(): ConfigStatus {
    return {
      file: this.source.file ?? null,
      loaded_at: new Date(this.loadedAt).toISOString(),
      generation: this.generation,
      ...(this.error === undefined ? {} : { error: this.error }),
      ...(this.restart.length === 0 ? {} : { restart_needed: this.restart }),
      ...(this.refused.length === 0
        ? {}
        : { refused: Object.fromEntries(this.refused.map(({ plugin, reason }) => [plugin, reason])) }),
    };
  }

  /**
   * Reads the configuration and takes it; resolves when the plugins are as it
   * says. Rejects with every problem when it cannot be taken. One at a time: who
   * asks meanwhile waits for one that begins afterwards.
   */
  reload(why: string): Promise<ReloadReport> {
    if (this.running === undefined) {
      this.running = this.once(why).finally(() => (this.running = undefined));
      return this.running;
    }
    const again = (): Promise<ReloadReport> => {
      this.waiting = undefined;
      return this.reload(why);
    };
    this.waiting ??= this.running.then(again, again);
    return this.waiting;
  }

  private async once(why: string): Promise<ReloadReport> {
    const { apply, log, now } = this.options;
    try {
      const next = await this.source.read();
      this.files?.update(next.loaded.files);
      const plugins = await apply(next.config);
      this.source.take(next);
      this.generation += 1;
      this.loadedAt = now();
      this.error = undefined;
      this.restart = next.restart;
      this.refused = plugins.refused;
      const warnings = [
        ...next.loaded.warnings,
        ...next.restart.map((name) => `${name} has changed, which needs a restart of the host`),
        ...plugins.refused.map(({ plugin, reason }) => `plugin ${plugin} goes on as it was: ${reason}`),
      ];
      for (const warning of warnings) log.warn({}, warning);
      this.tell(
        'taken',
        `configuration ${this.generation} is in force (${why})${summary(plugins)}`,
        warnings,
      );
      return { ...this.status(), plugins, warnings };
    } catch (thrown) {
      const lines = problemLines(thrown);
      this.error = lines.join('; ');
      log.error({ file: this.source.file, problems: lines }, 'the configuration was not taken');
      this.tell(
        'refused',
        `the configuration was not taken, the old one stays in force (${why}): ${this.error}`,
      );
      throw new GatewayError('invalid_request', `the configuration was not taken: ${this.error}`);
    }
  }

  private tell(outcome: string, message: string, warnings: readonly string[] = []): void {
    const { events, log } = this.options;
    events.add({ type: 'config', outcome, message });
    for (const warning of warnings) events.add({ type: 'config', message: warning });
    if (this.error === undefined) log.info({ file: this.source.file }, message);
  }
}

function summary({ added, removed, swapped, configured, refused }: Reconciliation): string {
  const parts = Object.entries({
    added,
    removed,
    swapped,
    configured,
    refused: refused.map(({ plugin }) => plugin),
  });
  const told = parts
    .filter(([, names]) => names.length > 0)
    .map(([verb, names]) => `${verb} ${names.join(', ')}`);
  return told.length === 0 ? '' : `: ${told.join('; ')}`;
}
