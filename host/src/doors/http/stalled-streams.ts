/** A stream whose client has not taken a byte for a while. */
export interface StalledStream {
  readonly plugin: string;
  /** Ends it with an error, so that others can be served. */
  giveWay(): void;
}

/** How often it is looked whether somebody waits, in milliseconds. */
const lookEveryMs = 200;

/**
 * Streams that nobody reads hold what others may be waiting for. As many of them
 * give way as there are requests that wait for their plugin, those that have stalled longest first;
 * as long as nobody waits, they may stay.
 */
export class StalledStreams {
  /** In the order in which they stalled. */
  private readonly streams = new Set<StalledStream>();
  private timer: NodeJS.Timeout | undefined;

  /** `waiting` tells how many requests wait for a plugin. */
  constructor(private readonly waiting: (plugin: string) => number) {}

  get size(): number {
    return this.streams.size;
  }

  add(stream: StalledStream): void {
    this.streams.add(stream);
    this.timer ??= setInterval(() => this.look(), lookEveryMs).unref();
  }

  delete(stream: StalledStream): void {
    this.streams.delete(stream);
    if (this.streams.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** One of them gives way, whatever its plugin; false when there is none. */
  giveWay(): boolean {
    const [first] = this.streams;
    if (first === undefined) return false;
    this.end(first);
    return true;
  }

  private look(): void {
    const wanted = new Map<string, number>();
    for (const stream of [...this.streams]) {
      const left = wanted.get(stream.plugin) ?? this.waiting(stream.plugin);
      wanted.set(stream.plugin, left - 1);
      if (left > 0) this.end(stream);
    }
  }

  private end(stream: StalledStream): void {
    this.delete(stream);
    stream.giveWay();
  }
}
