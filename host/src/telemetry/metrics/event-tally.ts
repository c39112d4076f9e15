import type { EventLog, HostEvent } from '../event-log.js';
import { BucketHistogram } from './bucket-histogram.js';

/** What happened to one plugin since the host started. */
export interface PluginHappenings {
  readonly plugin: string;
  /** Swaps by how they ended. */
  readonly swaps: Map<string, number>;
  readonly commit: BucketHistogram;
  readonly prepare: BucketHistogram;
  readonly pause: BucketHistogram;
  crashes: number;
  rejections: number;
}

/** Plugins with series of their own; more than a registry keeps at a time. */
const maxPlugins = 256;

const commitBounds = [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1];
const secondBounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counts what the event log is told: swaps, crashes and reloads. */
export class EventTally {
  /** Reloads of the configuration by how they ended. */
  readonly reloads = { taken: 0, refused: 0 };
  private readonly plugins = new Map<string, PluginHappenings>();

  /** Begins to count. */
  constructor(events: Pick<EventLog, 'follow'>) {
    events.follow((event) => {
      this.note(event);
    });
  }

  list(): readonly PluginHappenings[] {
    return [...this.plugins.values()];
  }

  private note(event: HostEvent): void {
    const { type, plugin, outcome } = event;
    if (type === 'config') {
      if (outcome === 'taken' || outcome === 'refused') this.reloads[outcome] += 1;
      return;
    }
    const one = plugin === '' ? undefined : this.happeningsOf(plugin);
    if (one === undefined) return;
    if (type === 'swap' && outcome !== undefined) {
      count(one, outcome);
      if (event.commitMs !== undefined) one.commit.observe(event.commitMs / 1000);
      if (event.prepareMs !== undefined) one.prepare.observe(event.prepareMs / 1000);
      if (event.pauseMs !== undefined) one.pause.observe(event.pauseMs / 1000);
    } else if (type === 'instance') {
      if (event.to === 'crashed') one.crashes += 1;
      else if (event.to === 'rejected') one.rejections += 1;
      else if (event.from === 'draining' && event.to === 'active') count(one, 'rolled_back');
    }
  }

  private happeningsOf(plugin: string): PluginHappenings | undefined {
    const known = this.plugins.get(plugin);
    if (known !== undefined || this.plugins.size >= maxPlugins) return known;
    const made: PluginHappenings = {
      plugin,
      swaps: new Map([
        ['committed', 0],
        ['refused', 0],
        ['rolled_back', 0],
      ]),
      commit: new BucketHistogram(commitBounds),
      prepare: new BucketHistogram(secondBounds),
      pause: new BucketHistogram(secondBounds),
      crashes: 0,
      rejections: 0,
    };
    this.plugins.set(plugin, made);
    return made;
  }
}

function count({ swaps }: PluginHappenings, outcome: string): void {
  swaps.set(outcome, (swaps.get(outcome) ?? 0) + 1);
}
