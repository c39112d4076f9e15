/** How far a model has come on its way into memory or onto the disk. */
export interface LoadReport {
  /** `plugin/model`, or the source of one that is fetched. */
  readonly model: string;
  readonly state: 'loading' | 'fetching' | 'ready' | 'fetched' | 'failed' | 'cancelled';
  /** 0 to 1 where it is known. */
  readonly fraction?: number | undefined;
  /** Why it failed, one line. */
  readonly reason?: string;
}

interface Load {
  /** Requests that tell of the same load. */
  readonly watchers: Set<object>;
  readonly state: 'loading' | 'fetching';
  fraction: number;
}

/** Loads kept at the same time; further ones are not told. */
const maxLoads = 100;

/**
 * What loads at the moment, as those who wait for it hear it: loads over the
 * doors, and those that a plugin makes for a request. A load is told once however
 * many wait for it, its progress only upwards, and its end once.
 */
export class LoadBoard {
  private readonly loads = new Map<string, Load>();
  /** Watchers whose load has ended: what they still say of it is old. */
  private readonly done = new WeakSet();
  private readonly followers = new Set<(report: LoadReport) => void>();

  /** Calls `follower` with everything new; returns the way to stop. It must not throw. */
  follow(follower: (report: LoadReport) => void): () => void {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }

  /** A watcher hears that a model loads. */
  step(watcher: object, model: string, state: 'loading' | 'fetching', fraction: number | undefined): void {
    if (this.done.has(watcher)) return;
    let load = this.loads.get(model);
    if (load === undefined) {
      if (this.loads.size >= maxLoads) return;
      this.loads.set(model, (load = { watchers: new Set(), state, fraction: -1 }));
    }
    load.watchers.add(watcher);
    if (load.fraction >= 0 && (fraction ?? 0) <= load.fraction) return;
    load.fraction = Math.max(0, fraction ?? 0);
    this.tell({ model, state: load.state, fraction });
  }

  /** A watcher hears that it is over. That one watcher leaves does not end the load for the others. */
  end(watcher: object, model: string, outcome: 'done' | 'failed' | 'cancelled', reason = ''): void {
    const load = this.loads.get(model);
    if (load?.watchers.delete(watcher) !== true) return;
    this.done.add(watcher);
    if (outcome === 'cancelled' && load.watchers.size > 0) return;
    for (const other of load.watchers) this.done.add(other);
    this.loads.delete(model);
    const done = load.state === 'loading' ? 'ready' : 'fetched';
    this.tell({
      model,
      state: outcome === 'done' ? done : outcome,
      ...(reason === '' ? {} : { reason }),
    });
  }

  private tell(report: LoadReport): void {
    for (const follower of this.followers) follower(report);
  }
}
