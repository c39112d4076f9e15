import { entriesOf, fields } from '../answer-fields.js';
import { withRunningHost } from '../admin-client.js';
import { CliFailure } from '../failure.js';
import type { HostClient } from '../host-client.js';
import { interruption } from '../interruption.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';
import { readEvents } from '../sse.js';

/** Options of `events` as the command line hands them over. */
export interface EventsOptions {
  readonly follow?: boolean;
  readonly since?: number;
}

/** How many of the past are shown before following, when nobody says since when. */
const tail = 20;
/** A host sends something at least this often, in milliseconds. Silence means that it is gone. */
const silenceMs = 90_000;
const reconnectMs = { first: 250, longest: 5000 };

type Event = Readonly<Record<string, unknown>>;

/** `events`: what happened to the plugins and the host; with `--follow` also what is to come. */
export function events(session: Session, { follow = false, since }: EventsOptions): Promise<number> {
  return withRunningHost(session, async (client) => {
    const show = printer(session);
    const past = await history(client, since ?? 0);
    const shown = follow && since === undefined ? past.slice(-tail) : past;
    shown.forEach(show);
    if (!follow) return 0;
    const interrupted = interruption();
    session.out.stdout.once('error', () => interrupted.abort());
    try {
      await new Follower(session, client, past.at(-1), show).run(interrupted.signal);
    } catch (error) {
      // Ctrl-C is how following ends.
      if (!interrupted.signal.aborted) throw error;
    } finally {
      interrupted.dispose();
    }
    return 0;
  });
}

/** Hears what happens; goes on where it was when the connection is lost or the host starts again. */
class Follower {
  constructor(
    private readonly session: Session,
    private readonly client: HostClient,
    private last: Event | undefined,
    private readonly show: (event: Event) => void,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const { out } = this.session;
    let wait = reconnectMs.first;
    let lost = false;
    const over = (): boolean => signal.aborted;
    while (!over()) {
      try {
        if (lost) await this.catchUp(signal);
        if (lost) out.note('connected again');
        lost = false;
        wait = reconnectMs.first;
        await this.listen(signal);
      } catch (error) {
        if (over()) return;
        // A host that refuses will refuse again.
        if (error instanceof CliFailure && !error.message.startsWith('no host answers')) throw error;
      }
      if (!lost) out.note('the connection to the host was lost; trying again');
      lost = true;
      await pause(wait, signal);
      wait = Math.min(wait * 2, reconnectMs.longest);
    }
  }

  private async listen(signal: AbortSignal): Promise<void> {
    const path = `/mcp/v1/events?follow=true&since=${idOf(this.last)}`;
    const body = await this.client.open(path, signal, silenceMs);
    for await (const { data } of readEvents(body)) this.hear(JSON.parse(data) as Event);
  }

  /** A host that was started again counts from 1 again. */
  private async catchUp(signal: AbortSignal): Promise<void> {
    const all = await history(this.client, 0, signal);
    const known = all.find((event) => idOf(event) === idOf(this.last));
    const same = known === undefined ? idOf(all[0]) > idOf(this.last) : known['at'] === this.last?.['at'];
    if (!same) this.last = undefined;
    for (const event of all) if (idOf(event) > idOf(this.last)) this.hear(event);
  }

  private hear(event: Event): void {
    this.last = event;
    this.show(event);
  }
}

async function history(client: HostClient, since: number, signal?: AbortSignal): Promise<Event[]> {
  const limit = AbortSignal.timeout(30_000);
  return entriesOf(
    await client.get(
      `/mcp/v1/events?since=${since}`,
      signal === undefined ? limit : AbortSignal.any([signal, limit]),
    ),
    'events',
  );
}

function idOf(event: Event | undefined): number {
  const id = fields(event)['id'];
  return typeof id === 'number' ? id : 0;
}

function printer({ out }: Session): (event: Event) => void {
  if (out.json) return (event) => out.jsonLine(event);
  return (event) => {
    const { at, plugin, version, instance_id: instance, message, to, type } = event;
    const time = typeof at === 'number' ? clock(new Date(at)) : '';
    const name = typeof plugin === 'string' && plugin !== '' ? plugin : 'host';
    const id = typeof instance === 'string' ? instance.slice(0, 8) : '';
    const which = [version, id].flatMap((part) =>
      typeof part === 'string' && part !== '' ? [` ${part}`] : [],
    );
    const text = printable(typeof message === 'string' ? message : String(type));
    const bad = to === 'crashed' || to === 'rejected' || /refused|not taken/.test(text);
    const told = bad ? out.style('red', text) : to === 'active' ? out.style('green', text) : text;
    out.line(`${out.style('dim', time)}  ${out.style('bold', printable(name + which.join('')))}  ${told}`);
  };
}

/** Local date and time with milliseconds. */
function clock(date: Date): string {
  const two = (value: number, width = 2) => String(value).padStart(width, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${two(date.getMilliseconds(), 3)}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
