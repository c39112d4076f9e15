import { TrafficWindow, TrafficWindows } from './traffic-window.js';
import type { UsageLedger } from './usage-ledger.js';

/** Traffic of the host, of its plugins and of their instances, each over a sliding window. */
export interface TrafficBook {
  readonly host: TrafficWindow;
  readonly plugins: TrafficWindows;
  readonly instances: TrafficWindows;
}

/** Begins to keep the windows from what the ledger records; `now` tells milliseconds of a monotonic clock. */
export function watchTraffic(ledger: Pick<UsageLedger, 'onRecord'>, now: () => number): TrafficBook {
  const host = new TrafficWindow(now);
  const plugins = new TrafficWindows(now);
  const instances = new TrafficWindows(now);
  ledger.onRecord((record) => {
    host.add(record);
    plugins.add(record.plugin, record);
    instances.add(record.instanceId, record);
  });
  return { host, plugins, instances };
}
