import { randomUUID } from 'node:crypto';
import type { ServiceDefinition } from '@outrigger/proto';
import type { CallHost } from './calls.js';
import type { Log } from './log.js';
import type { PluginDefinition } from './plugin.js';
import { PluginError } from './plugin-error.js';
import { Work } from './work.js';

/** One running plugin: what its services share. */
export class PluginInstance implements CallHost {
  readonly instanceId = randomUUID();
  readonly work = new Work();
  readonly definition: PluginDefinition;
  readonly log: Log;
  /** Most bytes of a request. */
  readonly maxReceiveBytes: number;
  /** Full names of the services that are served, the standard ones included. */
  readonly served: string[] = [];
  /** A configuration is in force, or none is needed. */
  configured: boolean;
  /** Begins to stop the plugin; set by the server that runs it. */
  requestStop: (graceMs: number) => void = () => undefined;

  constructor(definition: PluginDefinition, log: (instanceId: string) => Log, maxReceiveBytes: number) {
    this.definition = definition;
    this.log = log(this.instanceId);
    this.maxReceiveBytes = maxReceiveBytes;
    this.configured = definition.config === undefined && definition.configure === undefined;
  }
}

/** The error of an RPC whose handler the plugin does not have. */
export function unsupported(service: ServiceDefinition, method: string): PluginError {
  return new PluginError('UNSUPPORTED_OPERATION', `this plugin does not serve ${service.fullName}/${method}`);
}
