import type { EventStatus } from '../../ports.js';
import { eventJson } from '../../shared/event-json.js';
import type { ResourceModule } from '../tool-catalog.js';

const URI = 'events://recent';
const mimeType = 'application/json';
const limit = 200;

/** The past of the plugins. */
export interface RecentEvents {
  /** The newest `limit` events after an id, the oldest first. */
  since(id: number, limit: number): readonly EventStatus[];
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
          ? [
              {
                uri,
                mimeType,
                text: JSON.stringify({ events: events.since(0, limit).map(eventJson) }, null, 2),
              },
            ]
          : undefined,
      ),
  };
}
