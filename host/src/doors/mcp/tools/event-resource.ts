import type { ResourceModule } from '../tool-catalog.js';

const URI = 'events://recent';
const mimeType = 'application/json';
const limit = 200;

/** The past of the plugins. */
export interface RecentEvents {
  /** The newest `limit` events after an id, the oldest first. */
  since(id: number, limit: number): readonly object[];
}

/** What happened to plugins lately, as a resource to read. */
export function eventResource(events: RecentEvents): ResourceModule {
  return {
    resources: [
      {
        uri: URI,
        name: 'events',
        title: 'Events',
        description: `The last ${limit} things that happened to plugins: starts, swaps, crashes and why.`,
        mimeType,
      },
    ],
    templates: [],
    read: (uri) =>
      Promise.resolve(
        uri === URI
          ? [{ uri, mimeType, text: JSON.stringify({ events: events.since(0, limit).map(named) }, null, 2) }]
          : undefined,
      ),
  };
}

/** Names as the other resources write them. */
function named(event: object): object {
  return Object.fromEntries(
    Object.entries(event).map(([key, value]) => [
      key === 'instanceId' ? 'instance_id' : key,
      value as unknown,
    ]),
  );
}
