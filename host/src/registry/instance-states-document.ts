import { leasable, transitions, type InstanceState } from './instance-state.js';

/** What each state means, in one sentence. */
const meaning = {
  discovered: 'The host knows where it is to be, and nothing else.',
  connecting: 'Its process was started or its address is known; no connection stands yet.',
  negotiating: 'It is asked who it is and what it can do, and given its configuration.',
  validating: 'What it said is checked.',
  warming: 'It gets ready for its first request.',
  standby: 'It could serve; nobody asks it yet.',
  canary: 'It gets a share of the requests, on trial.',
  active: 'It gets the requests of its plugin.',
  draining: 'It gets no new requests and finishes those that it has; it can still be brought back.',
  stopping: 'It is told to end.',
  rejected: 'It was not good enough to take over; the reason says why.',
  crashed: 'It ended by itself, or its connection is lost.',
  backoff: 'Why it ended is being found out, and what it left is put away.',
  stopped: 'It is gone and nothing is left of it.',
} as const satisfies Record<InstanceState, string>;

/** The table of states as a Markdown page. */
export function instanceStatesDocument(): string {
  const rows = (Object.keys(transitions) as InstanceState[]).map((state) => {
    const next = Object.entries(transitions[state])
      .map(([event, to]) => `${event} → \`${to}\``)
      .join(', ');
    return `| \`${state}\` | ${meaning[state]} | ${leasable.has(state) ? 'yes' : 'no'} | ${next || 'the end'} |`;
  });
  return [
    '<!-- Printed by `npm run generate:states` from host/src/registry/instance-state.ts. Do not edit. -->',
    '',
    '# The states of a plugin instance',
    '',
    'An instance is one running process of a plugin. It is in one of these states, and only the events',
    'in its row move it on; everything else is refused. `GET /mcp/v1/plugins` shows the state, and every',
    'change is in the events.',
    '',
    '| state | meaning | gets requests | what moves it on |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
