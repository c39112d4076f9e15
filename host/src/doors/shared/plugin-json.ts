import type { InstanceStatus, PluginStatus, SwapReport } from '../ports.js';

// How plugins, instances and swaps look to callers, at every door. What is unknown is left out.

/** A plugin with its instances. */
export function pluginJson(plugin: PluginStatus): object {
  const { name, version, runtime, state, reason, origin, restarts, queued } = plugin;
  return {
    name,
    display_name: plugin.displayName,
    version,
    runtime,
    state,
    reason,
    origin,
    restarts,
    retry_at: plugin.retryAt,
    queued,
    operations: plugin.operations.map(snake),
    services: plugin.services,
    tools: plugin.tools,
    warnings: plugin.warnings,
    instances: plugin.instances.map(instanceJson),
  };
}

function instanceJson(instance: InstanceStatus): object {
  const { version, state, reason, address, pid, serving, served, failed, since } = instance;
  return {
    instance_id: instance.instanceId,
    version,
    state,
    reason,
    address,
    pid,
    serving,
    in_flight: instance.inFlight,
    served,
    failed,
    first_token_p50_ms: instance.firstTokenP50Ms,
    first_token_p99_ms: instance.firstTokenP99Ms,
    startup: Object.fromEntries(Object.entries(instance.startup).map(([phase, ms]) => [snake(phase), ms])),
    since,
  };
}

/** What came of a swap. */
export function swapJson(report: SwapReport): object {
  const { plugin, from, to, verdict } = report;
  return {
    plugin,
    from,
    to,
    prepare_ms: report.prepareMs,
    commit_ms: report.commitMs,
    pause_ms: report.pauseMs,
    verdict,
  };
}

function snake(word: string): string {
  return word.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
