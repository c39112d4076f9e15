/**
 * The life of a plugin instance as data: which event leads from which state to
 * which. What is not in the table is illegal. docs/instance-states.md is printed
 * from it.
 */
export const transitions = {
  discovered: { connect: 'connecting', fail: 'rejected', stop: 'stopping' },
  connecting: { connected: 'negotiating', fail: 'rejected', lost: 'crashed', stop: 'stopping' },
  negotiating: { negotiated: 'validating', fail: 'rejected', lost: 'crashed', stop: 'stopping' },
  validating: { validated: 'warming', fail: 'rejected', lost: 'crashed', stop: 'stopping' },
  warming: { warmed: 'standby', fail: 'rejected', lost: 'crashed', stop: 'stopping' },
  standby: { commit: 'active', canary: 'canary', fail: 'rejected', lost: 'crashed', stop: 'stopping' },
  canary: { commit: 'active', drain: 'draining', lost: 'crashed' },
  active: { drain: 'draining', lost: 'crashed' },
  draining: { rollback: 'active', drained: 'stopping', lost: 'crashed' },
  stopping: { exited: 'stopped' },
  rejected: { exited: 'stopped' },
  crashed: { wait: 'backoff', exited: 'stopped' },
  backoff: { exited: 'stopped' },
  stopped: {},
} as const satisfies Record<string, Partial<Record<InstanceEvent, string>>>;

/** Where an instance is in its life. */
export type InstanceState = keyof typeof transitions;

/** What moves an instance on. */
export type InstanceEvent =
  | 'connect'
  | 'connected'
  | 'negotiated'
  | 'validated'
  | 'warmed'
  | 'canary'
  | 'commit'
  | 'drain'
  | 'rollback'
  | 'drained'
  | 'fail'
  | 'lost'
  | 'wait'
  | 'stop'
  | 'exited';

/** The state that follows, or undefined when the event is illegal there. */
export function nextState(state: InstanceState, event: InstanceEvent): InstanceState | undefined {
  return (transitions[state] as Partial<Record<InstanceEvent, InstanceState>>)[event];
}

/** States in which requests may be leased out. */
export const leasable: ReadonlySet<InstanceState> = new Set<InstanceState>(['active', 'canary']);
