import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { Config, PluginConfig } from '../config/schema.js';
import { childEnvironment } from './child-environment.js';
import type { TransportTls } from './grpc-transport.js';
import type { PluginSource } from './plugin-source.js';

/** The plugins of a configuration that are to run. */
export function configuredSources(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): PluginSource[] {
  return Object.entries(config.plugins)
    .filter(([, plugin]) => plugin.enabled)
    .map(([name, plugin]) => configuredSource(name, plugin, environment));
}

/** One plugin as its entry says. */
export function configuredSource(
  name: string,
  plugin: PluginConfig,
  environment: Readonly<Record<string, string | undefined>>,
): PluginSource {
  return {
    name,
    origin:
      plugin.address === undefined
        ? {
            kind: 'spawn',
            command: plugin.command ?? [],
            env: { ...childEnvironment(environment, plugin.secrets), ...plugin.env },
            cwd: plugin.cwd,
          }
        : { kind: 'attach', address: plugin.address, tls: readTls(plugin.tls) },
    config: plugin.config,
    swapMode: plugin.swapMode,
    startTimeoutMs: plugin.startTimeoutMs,
    drainTimeoutMs: plugin.drainTimeoutMs,
    restart: plugin.restart,
    maxInFlight: plugin.limits.maxInFlight,
    memoryBytes: plugin.limits.memoryBytes,
    smokeChecks: plugin.smokeChecks,
    liveness: plugin.liveness,
    watch: watched(plugin),
  };
}

/** `watch: true` is the directory of the program's own file: the first argument that is a path. */
function watched({ watch, command = [], cwd = process.cwd() }: PluginConfig): readonly string[] {
  if (watch === false) return [];
  if (watch !== true) return watch.map((path) => resolve(cwd, path));
  const [program = '', ...args] = command;
  const script = args.find((arg) => !arg.startsWith('-') && /[/.]/.test(arg));
  const entry = script ?? (isAbsolute(program) || program.startsWith('.') ? program : undefined);
  return entry === undefined ? [] : [dirname(resolve(cwd, entry))];
}

function readTls(tls: PluginConfig['tls']): TransportTls | undefined {
  if (tls === undefined) return undefined;
  const pem = (value: string | undefined): Buffer | undefined => {
    if (value === undefined) return undefined;
    return value.includes('-----BEGIN') ? Buffer.from(value) : readFileSync(value);
  };
  const [ca, cert, key] = [pem(tls.ca), pem(tls.cert), pem(tls.key)];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
  };
}
