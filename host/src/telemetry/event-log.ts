import { randomBytes } from 'node:crypto';

/** Something that happened to a plugin or to the host. */
export interface HostEvent {
  /** Counts up from 1. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `instance`, `start`, `check`, `health`, `tools`, `swap`, `config`, `directory`, `host`. */
  readonly type: string;
  readonly plugin: string;
  readonly instanceId: string;
  readonly version: string;
  /** What happened, one line. */
  readonly message: string;
  /** For `instance`: the states on both sides. */
  readonly from?: string;
  readonly to?: string;
  /** For `swap`: `committed`, `refused`. For `config`: `taken`, `refused`. Absent on the way there. */
  readonly outcome?: string;
  /** For a committed `swap`, in milliseconds: the exchange itself, all before it, and without an instance. */
  readonly commitMs?: number;
  readonly prepareMs?: number;
  readonly pauseMs?: number;
}

const maxEvents = 2000;

/** What happened, in memory and bounded; followers hear of everything new. */
export class EventLog {
  private readonly events: HostEvent[] = [];
  private lastId = 0;
  private readonly followers = new Set<(event: HostEvent) => void>();

  constructor(
    private readonly now: () => number,
    /** Tells this run of the host from others, whose ids count from 1 as well. */
    readonly run: string = randomBytes(4).toString('hex'),
  ) {}

  /** Takes an event in and tells the followers. */
  add(event: Partial<Omit<HostEvent, 'id' | 'at'>> & Pick<HostEvent, 'type' | 'message'>): HostEvent {
    this.lastId += 1;
    const full: HostEvent = {
      plugin: '',
      instanceId: '',
      version: '',
      ...event,
      id: this.lastId,
      at: this.now(),
    };
    this.events.push(full);
    if (this.events.length > maxEvents) this.events.shift();
    for (const follower of [...this.followers]) follower(full);
    return full;
  }

  /** Events after an id, the oldest first; at most `limit` of the newest. */
  since(id: number, limit = maxEvents): readonly HostEvent[] {
    const found = this.events.filter((event) => event.id > id);
    return found.slice(Math.max(0, found.length - limit));
  }

  /** Calls `follower` with everything new; returns the way to stop. */
  follow(follower: (event: HostEvent) => void): () => void {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }
}
