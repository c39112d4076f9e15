import type { Config } from './config/schema.js';
import type { EngineRoom } from './engine-room.js';
import { HostGates } from './gate/host-gates.js';
import { configuredSources } from './registry/configured-sources.js';
import type { Reconciliation } from './registry/reconciler.js';

/** The settings of a host that can change while it runs, and how they do. */
export class LiveSettings {
  readonly gates: HostGates;
  /** Parameters that cannot be honoured are an error on every request. */
  strictParams: boolean;

  constructor(
    config: Config,
    private readonly room: EngineRoom,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {
    this.gates = new HostGates(keysOf(config));
    this.strictParams = config.strictParams;
  }

  /** Takes another valid configuration; resolves when the plugins are as it says. */
  async apply(config: Config): Promise<Reconciliation> {
    // Throws where a file that it names cannot be read: before anything has changed.
    configuredSources(config, this.env);
    this.gates.take(keysOf(config));
    this.strictParams = config.strictParams;
    this.room.models.rename(config.models);
    return this.room.reload(config);
  }
}

function keysOf({ auth, admin }: Config) {
  return { callers: auth.apiKeys, admin: admin.apiKey };
}
