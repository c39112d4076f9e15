import type { Logger } from '../telemetry/logger.js';
import { reconfigure } from './handshake.js';
import type { PluginInstance } from './instance.js';
import { joinSignals } from './joined-signal.js';
import type { InstanceLauncher, Launched } from './launcher.js';
import type { PluginSource } from './plugin-source.js';
import { retire, type Retirement } from './retirement.js';

/** An instance on its way out. */
interface Leaving {
  readonly revoke: AbortController;
  /** The plugin was told to refuse work. */
  told: boolean;
  readonly done: Promise<void>;
}

/** Why and within what time an instance leaves. */
export type Departure = Pick<Retirement, 'why' | 'drainMs' | 'keepMs'>;

/** The instances of one plugin that are not gone yet, and those of them that leave. */
export class SlotInstances {
  private readonly present = new Map<PluginInstance, Launched>();
  private readonly leaving = new Map<PluginInstance, Leaving>();
  /** Starts and ends under way. */
  private readonly pending = new Set<Promise<unknown>>();

  /** Counts the configurations that were handed out, over all instances. */
  private generation = 0;

  constructor(
    private readonly launcher: InstanceLauncher,
    private readonly log: Logger,
    /** Fires when none is to start any more. */
    private readonly closed: AbortSignal,
  ) {}

  /** Starts one, as far as standby; it is not among them before `add`. */
  launch(source: PluginSource, signal: AbortSignal, successor: boolean): Promise<Launched> {
    const either = joinSignals(signal, this.closed);
    const launching = this.launcher
      .launch(source, this.nextGeneration(), either.signal, successor)
      .finally(() => {
        either.release();
      });
    return this.track(launching);
  }

  /** All that are not gone yet. */
  list(): PluginInstance[] {
    return [...this.present.keys()];
  }

  get(instance: PluginInstance): Launched | undefined {
    return this.present.get(instance);
  }

  /** False when it is there already. */
  add(launched: Launched): boolean {
    if (this.present.has(launched.instance)) return false;
    this.present.set(launched.instance, launched);
    return true;
  }

  /** It is gone. */
  remove(instance: PluginInstance): void {
    this.present.delete(instance);
  }

  /** Hands an instance another configuration in place; rejects when it refuses. */
  async configure(instance: PluginInstance, config: PluginSource['config']): Promise<void> {
    const { plugin } = instance;
    const { closed } = this;
    const warnings = await reconfigure(instance, config, this.nextGeneration(), closed);
    for (const warning of warnings) this.log.warn({ plugin, warning }, 'plugin warns');
  }

  /** Drains an instance and ends it, in the background. */
  retire(instance: PluginInstance, departure: Departure): Promise<void> {
    const launched = this.present.get(instance);
    const already = this.leaving.get(instance);
    if (launched === undefined || already !== undefined) return already?.done ?? Promise.resolve();
    const revoke = new AbortController();
    const onTold = (): void => {
      leaving.told = true;
    };
    const done = retire(launched, { ...departure, revoked: revoke.signal, onTold }, this.log)
      .catch((thrown: unknown) => {
        const { plugin } = instance;
        this.log.error({ plugin, err: thrown }, 'an instance did not end as it should');
        return true;
      })
      .then((ended) => {
        if (this.leaving.get(instance) === leaving) this.leaving.delete(instance);
        if (ended) this.present.delete(instance);
      });
    const leaving: Leaving = { revoke, told: false, done };
    this.leaving.set(instance, leaving);
    return done;
  }

  /** Stops an instance from leaving; false when it does not leave, or was told to refuse work. */
  recall(instance: PluginInstance): boolean {
    const leaving = this.leaving.get(instance);
    if (leaving === undefined || leaving.told) return false;
    leaving.revoke.abort();
    this.leaving.delete(instance);
    return true;
  }

  /** Lets those that drain leave within another time. */
  hurry(departure: Departure): void {
    for (const instance of this.list()) {
      if (instance.state === 'draining' && this.recall(instance)) void this.retire(instance, departure);
    }
  }

  /** Puts away one that is not to be; a canary ends its requests first. */
  async discard(launched: Launched, why: string, drainMs: number): Promise<void> {
    const { instance } = launched;
    if (instance.state === 'canary' || instance.state === 'draining') {
      await this.retire(instance, { why, drainMs, keepMs: 0 });
      return;
    }
    instance.apply('fail', why);
    await this.track(launched.dispose(0));
    instance.apply('exited');
  }

  /** Resolves when nothing starts and nothing ends any more. */
  async settled(): Promise<void> {
    while (this.pending.size > 0 || this.leaving.size > 0) {
      await Promise.allSettled([...this.pending, ...[...this.leaving.values()].map(({ done }) => done)]);
    }
  }

  private nextGeneration(): number {
    return (this.generation += 1);
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.pending.add(work);
    const done = (): void => {
      this.pending.delete(work);
    };
    work.then(done, done);
    return work;
  }
}
