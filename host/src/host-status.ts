import type { EngineRoom } from './engine-room.js';
import type { HostEvent } from './telemetry/event-log.js';

/** A change worth a line on a terminal. */
export interface HostStatus {
  readonly kind: 'plugin' | 'model' | 'configuration';
  readonly name: string;
  readonly state: string;
  /** 0 to 1 where it is known: how far a model has come that loads or is fetched. */
  readonly progress?: number;
  readonly message?: string;
}

const told = ['connecting', 'active', 'rejected', 'backoff', 'draining'];

/** Calls `listener` with what happens to plugins, the configuration and models that load; returns the way to stop. */
export function followStatus(
  { events, loads }: Pick<EngineRoom, 'events' | 'loads'>,
  listener: (status: HostStatus) => void,
): () => void {
  const stops = [
    events.follow((event) => {
      const status = statusOf(event);
      if (status !== undefined) listener(status);
    }),
    loads.follow(({ model: name, state, fraction, reason }) => {
      listener({
        kind: 'model',
        name,
        state,
        ...(fraction === undefined ? {} : { progress: fraction }),
        ...(reason === undefined ? {} : { message: reason }),
      });
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function statusOf(event: HostEvent): HostStatus | undefined {
  if (event.type === 'config' && event.plugin === '') {
    return { kind: 'configuration', name: '', state: event.message };
  }
  if (event.type !== 'instance' || event.to === undefined || !told.includes(event.to)) return undefined;
  const { plugin, to, version } = event;
  const message = to === 'active' ? version : event.message;
  return {
    kind: 'plugin',
    name: plugin,
    state: to === 'connecting' ? 'starting' : to,
    ...(message === '' ? {} : { message }),
  };
}
