import { setTimeout as sleep } from 'node:timers/promises';
import { HealthDefinition, HealthCheckResponse_ServingStatus, methodsOf } from '@outrigger/proto';
import { GatewayError } from '../errors/gateway-error.js';
import type { PluginInstance, PluginManifest } from './instance.js';
import type { ReflectedMethod } from '../reflection/reflected-method.js';
import { PluginClient, contract } from './plugin-client.js';
import { listServices } from './reflection.js';
import type { PluginTransport } from './transport.js';

const health = methodsOf(HealthDefinition);

/** Services that every plugin must serve. */
const required = ['outrigger.plugin.v1.Identity', 'outrigger.plugin.v1.Lifecycle'];

/** How the host introduces itself and how long it waits. */
export interface HandshakeOptions {
  readonly hostVersion: string;
  /** The plugin's configuration, handed over before traffic. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly generation: number;
  /** Ends the handshake. */
  readonly signal: AbortSignal;
  /** Longest single call, in milliseconds. */
  readonly callTimeoutMs: number;
}

/**
 * Asks an instance who it is and what it can do, and hands it its configuration.
 * Errors name what is missing and the remedy.
 */
export async function negotiate(
  instance: PluginInstance,
  options: HandshakeOptions,
): Promise<PluginManifest> {
  const { signal, callTimeoutMs: timeoutMs } = options;
  const bounds = { signal, timeoutMs };
  // Both at once; what is missing says more than a question that fails for it.
  const asked = instance.client.unary(
    contract.identity.getPluginInfo,
    { hostName: 'outrigger', hostVersion: options.hostVersion },
    bounds,
  );
  asked.catch(() => undefined);
  const services = await listServices(instance.transport, bounds);
  const missing = required.filter((name) => !services.includes(name));
  if (missing.length > 0) {
    const others = services.filter((name) => /^outrigger\.plugin\.v\d+\./.test(name));
    throw new GatewayError(
      'plugin_unavailable',
      `${instance.address} does not serve ${missing.join(' and ')}: ` +
        (others.length > 0
          ? `it speaks another version of the contract (${others[0] ?? ''}); this host speaks outrigger.plugin.v1`
          : 'it is not a plugin of this host (reflection lists ' +
            (services.slice(0, 5).join(', ') || 'nothing') +
            ')'),
    );
  }
  const info = await asked;
  checkName(info.name, instance.address);
  if (info.instanceId === '' || info.buildVersion === '') {
    throw new GatewayError(
      'plugin_unavailable',
      `plugin ${info.name} announces no ${info.instanceId === '' ? 'instance_id' : 'build_version'} (check ID-02)`,
    );
  }
  const tools = await ownTools(instance, services, info.descriptorSet, bounds);
  instance.startup.reach('negotiated');
  await instance.client.unary(
    contract.lifecycle.configure,
    { configJson: JSON.stringify(options.config), generation: options.generation },
    { signal, timeoutMs: Math.max(timeoutMs, 10_000) },
  );
  const [capabilities, runtime] = await Promise.all([
    instance.client.unary(contract.identity.getCapabilities, {}, bounds),
    runtimeOf(instance, bounds),
    serving(instance, bounds),
  ]);
  instance.startup.reach('configured');
  return { info: { ...info, runtime: runtime ?? info.runtime }, capabilities, services, tools };
}

/** What it stands in front of: known once it is configured. Undefined when it does not say. */
async function runtimeOf(
  { client }: PluginInstance,
  bounds: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<string | undefined> {
  try {
    const request = { hostName: 'outrigger', hostVersion: '' };
    return (await client.unary(contract.identity.getPluginInfo, request, bounds)).runtime;
  } catch {
    return undefined;
  }
}

/** Longest Configure in place, in milliseconds. */
const configureMs = 15_000;

/** Hands a running instance another configuration and takes what it says of itself anew; gives its warnings. */
export async function reconfigure(
  instance: PluginInstance,
  config: Readonly<Record<string, unknown>>,
  generation: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const bounds = { signal, timeoutMs: configureMs };
  const request = { configJson: JSON.stringify(config), generation };
  const { warnings } = await instance.client.unary(contract.lifecycle.configure, request, bounds);
  const [capabilities, runtime] = await Promise.all([
    instance.client.unary(contract.identity.getCapabilities, {}, bounds),
    runtimeOf(instance, bounds),
  ]);
  const { manifest } = instance;
  if (manifest !== undefined) {
    const info = { ...manifest.info, runtime: runtime ?? manifest.info.runtime };
    instance.accept({ ...manifest, info, capabilities });
  }
  return warnings;
}

/** Who listens at an address: for sockets that announce themselves. */
export async function identify(
  transport: PluginTransport,
  hostVersion: string,
  bounds: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<{ readonly name: string; readonly instanceId: string; readonly version: string }> {
  await transport.connect(bounds.signal);
  const { name, instanceId, buildVersion } = await new PluginClient('', transport).unary(
    contract.identity.getPluginInfo,
    { hostName: 'outrigger', hostVersion },
    bounds,
  );
  checkName(name, 'it');
  return { name, instanceId, version: buildVersion };
}

function checkName(name: string, who: string): void {
  if (/^[a-z][a-z0-9-]{0,62}$/.test(name)) return;
  const shown = JSON.stringify(name.slice(0, 80));
  throw new GatewayError(
    'plugin_unavailable',
    `${who} calls itself ${shown}: not a plugin name (check ID-01)`,
  );
}

/** The tools among the methods of services that are neither the contract's nor gRPC's. */
async function ownTools(
  instance: PluginInstance,
  services: readonly string[],
  fallback: Uint8Array,
  bounds: { signal: AbortSignal; timeoutMs: number },
): Promise<readonly ReflectedMethod[]> {
  const own = services.filter((name) => !/^(grpc\.|outrigger\.plugin\.v\d+\.)/.test(name));
  if (own.length === 0) return [];
  // Linking descriptors costs start-up time; most plugins have none to link.
  const [{ fetchDescriptors }, { reflectedMethods }] = await Promise.all([
    import('../reflection/descriptors.js'),
    import('../reflection/reflected-method.js'),
  ]);
  return reflectedMethods(await fetchDescriptors(instance.transport, own, fallback, bounds), own);
}

/** Milliseconds between two questions to a plugin that does not serve yet. */
const notYetMs = 100;

/** Waits for a plugin to say SERVING; it may have something to load first. */
async function serving(
  instance: PluginInstance,
  bounds: { signal: AbortSignal; timeoutMs: number },
): Promise<void> {
  for (;;) {
    const { status } = await instance.client.unary(health.check, { service: '' }, bounds);
    if (status === HealthCheckResponse_ServingStatus.SERVING) break;
    // Should the time run out, this is why.
    instance.reason = 'it says that it is not serving';
    await sleep(notYetMs, undefined, { signal: bounds.signal });
  }
  instance.reason = '';
}

/**
 * Watches an instance until it is gone; `onServing` hears every change in between.
 * Resolves with the reason. A plugin without Watch is asked again and again.
 */
export async function watchHealth(
  instance: PluginInstance,
  signal: AbortSignal,
  onServing: (serving: boolean) => void,
): Promise<string> {
  try {
    for await (const { status } of instance.client.stream(health.watch, { service: '' }, { signal })) {
      onServing(status === HealthCheckResponse_ServingStatus.SERVING);
    }
    return 'ended its health stream';
  } catch (thrown) {
    if (signal.aborted) return 'released';
    const error = GatewayError.from(thrown);
    if (error.kind !== 'unsupported_operation') return error.message;
  }
  return pollHealth(instance, signal, onServing);
}

function released(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Milliseconds between two questions to a plugin that cannot be watched. */
const pollMs = 1000;

async function pollHealth(
  instance: PluginInstance,
  signal: AbortSignal,
  onServing: (serving: boolean) => void,
): Promise<string> {
  while (!signal.aborted) {
    try {
      const { status } = await instance.client.unary(
        health.check,
        { service: '' },
        { signal, timeoutMs: 5000 },
      );
      onServing(status === HealthCheckResponse_ServingStatus.SERVING);
    } catch (thrown) {
      if (released(signal)) break;
      return GatewayError.from(thrown).message;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pollMs);
      timer.unref();
      signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
  return 'released';
}
