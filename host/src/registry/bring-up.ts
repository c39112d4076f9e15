import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors/gateway-error.js';
import type { Logger } from '../telemetry/logger.js';
import { joinSignals } from './joined-signal.js';
import type { Launched } from './launcher.js';
import { restartDelay, type PluginSource } from './plugin-source.js';
import type { SlotLeases } from './slot-leases.js';

/** What is brought up, and who hears of it. */
export interface BringUpPort {
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** 0 up to 1. */
  readonly random: () => number;
  /** Fires when nothing is to be brought up any more. */
  readonly closed: AbortSignal;
  readonly leases: Pick<SlotLeases, 'standing' | 'settle'>;
  /** Where the next instance comes from. */
  readonly source: () => PluginSource;
  launch(source: PluginSource, signal: AbortSignal): Promise<Launched>;
  /** Takes what came up; what is not wanted any more is put away. */
  arrived(launched: Launched, wanted: boolean): Promise<void>;
}

/** An attempt to bring an instance up. */
interface Attempt {
  /** Fires when it is no longer wanted. */
  readonly over: AbortController;
  /** Fires when it need not wait for its back-off any more. */
  hurry: AbortController;
  done: Promise<void>;
}

/** Brings an instance of a plugin up, however often it takes, with growing pauses. */
export class BringUp {
  /** Starts after a failure, since the host started. */
  restarts = 0;
  /** Failures in a row. */
  private failures = 0;
  private attempt: Attempt | undefined;

  constructor(private readonly port: BringUpPort) {}

  get underWay(): boolean {
    return this.attempt !== undefined;
  }

  /** Begins, after a back-off when there was a crash. */
  begin(crash?: string): void {
    const attempt: Attempt = {
      over: new AbortController(),
      hurry: new AbortController(),
      done: Promise.resolve(),
    };
    this.attempt = attempt;
    if (crash === undefined) this.port.leases.settle('starting');
    attempt.done = this.keepTrying(attempt, crash).finally(() => {
      if (this.attempt === attempt) this.attempt = undefined;
    });
  }

  /** Waits for no back-off any more. */
  hurry(): void {
    this.attempt?.hurry.abort();
  }

  /** Gives the attempt up; resolves when nothing of it runs any more. */
  async giveUp(why: string): Promise<void> {
    const { attempt } = this;
    attempt?.over.abort(new GatewayError('cancelled', why));
    await attempt?.done;
  }

  /** An instance is there: whatever was under way is no longer wanted, and another may begin. */
  supersede(): void {
    this.attempt?.over.abort(new GatewayError('cancelled', 'another instance took over'));
    this.attempt = undefined;
  }

  /** Forgets how often it failed. */
  forgive(): void {
    this.failures = 0;
  }

  private async keepTrying(attempt: Attempt, crash: string | undefined): Promise<void> {
    const { port } = this;
    const over = attempt.over.signal;
    const ended = (): boolean => over.aborted || port.closed.aborted;
    if (crash !== undefined) await this.backOff(crash, attempt);
    while (!ended()) {
      const source = port.source();
      try {
        const launched = await port.launch(source, over);
        await port.arrived(launched, !ended());
        return;
      } catch (thrown) {
        if (ended()) return;
        const { message } = GatewayError.from(thrown);
        port.log.warn({ plugin: source.name, reason: message }, 'plugin did not start');
        await this.backOff(message, attempt);
      }
    }
  }

  /** One crash is an accident and callers are held; a second in a row is a loop and they fail fast. */
  private async backOff(why: string, attempt: Attempt): Promise<void> {
    const { port } = this;
    const over = attempt.over.signal;
    this.failures += 1;
    this.restarts += 1;
    const delay = restartDelay(port.source().restart, this.failures, port.random);
    if (!over.aborted) {
      port.leases.settle(this.failures > 1 ? 'backoff' : 'starting', why, port.now() + delay);
    }
    attempt.hurry = new AbortController();
    const wake = joinSignals(attempt.hurry.signal, over, port.closed);
    await sleep(delay, undefined, { signal: wake.signal }).catch(() => undefined);
    wake.release();
    const soon = this.failures <= 2 || attempt.hurry.signal.aborted;
    if (soon && port.leases.standing.state === 'backoff' && !over.aborted)
      port.leases.settle('starting', why);
  }
}
