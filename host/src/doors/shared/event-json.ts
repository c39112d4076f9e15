import type { EventStatus } from '../ports.js';

/** Something that happened, as callers see it at every door. What does not apply is left out. */
export function eventJson(event: EventStatus): object {
  const { id, at, type, plugin, version, message, from, to, outcome } = event;
  return {
    id,
    at,
    type,
    plugin,
    instance_id: event.instanceId,
    version,
    message,
    from,
    to,
    outcome,
    prepare_ms: event.prepareMs,
    commit_ms: event.commitMs,
    pause_ms: event.pauseMs,
  };
}
