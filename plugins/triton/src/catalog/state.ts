import { ModelState, ModelState_Phase } from '@outrigger/proto';
import type { IndexEntry } from '../server/endpoint.js';
import { scrub } from '../server/failure.js';

/** What a model is doing, in the words of the contract. */
export function stateOfEntry(entry: IndexEntry): ModelState {
  const reason = scrub(entry.reason);
  switch (entry.state) {
    case 'READY':
      return ModelState.create({ phase: ModelState_Phase.PHASE_READY });
    case 'LOADING':
      return ModelState.create({ phase: ModelState_Phase.PHASE_LOADING });
    case 'UNLOADING':
      return ModelState.create({ phase: ModelState_Phase.PHASE_UNLOADING, reason });
    case 'UNAVAILABLE':
      // Triton has one word for "was unloaded" and "could not be loaded"; the reason tells them apart.
      return reason === '' || reason === 'unloaded'
        ? ModelState.create({ phase: ModelState_Phase.PHASE_UNLOADED })
        : ModelState.create({ phase: ModelState_Phase.PHASE_FAILED, reason });
    case '':
      return ModelState.create({ phase: ModelState_Phase.PHASE_UNLOADED });
    default:
      return ModelState.create({ reason: `the server calls it ${entry.state}` });
  }
}

// With several versions the most useful one speaks for the model.
const rank: readonly ModelState_Phase[] = [
  ModelState_Phase.PHASE_READY,
  ModelState_Phase.PHASE_LOADING,
  ModelState_Phase.PHASE_UNLOADING,
  ModelState_Phase.PHASE_FAILED,
  ModelState_Phase.PHASE_UNLOADED,
  ModelState_Phase.PHASE_UNSPECIFIED,
];

/** The state of a model from the index entries of all its versions; undefined without any. */
export function stateOfModel(entries: readonly IndexEntry[]): ModelState | undefined {
  return entries
    .map(stateOfEntry)
    .sort((a, b) => rank.indexOf(a.phase) - rank.indexOf(b.phase))
    .at(0);
}
