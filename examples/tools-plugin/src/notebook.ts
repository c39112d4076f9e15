import { PluginError } from '@outrigger/sdk-plugin';
import type { Note, Weight } from './gen/v1/acme/notes/v1/notes.js';

/** Notes in memory, numbered from 1. */
export class Notebook {
  private readonly notes: Note[] = [];

  add(text: string, weight: Weight): Note {
    if (text === '') {
      const fields = [{ field: 'text', description: 'must not be empty' }];
      throw new PluginError('INVALID_REQUEST', 'text must not be empty', { fields });
    }
    const note = { number: BigInt(this.notes.length + 1), text, weight };
    this.notes.push(note);
    return note;
  }

  /** Notes that matter at least this much, the oldest first. */
  from(weight: Weight): readonly Note[] {
    return this.notes.filter((note) => note.weight >= weight);
  }

  find(word: string): Note[] {
    return this.notes.filter(({ text }) => text.toLowerCase().includes(word.toLowerCase()));
  }

  get(number: bigint): Note {
    const note = this.notes[Number(number) - 1];
    if (note === undefined) throw new PluginError('NOT_FOUND', `there is no note ${number}`);
    return note;
  }

  get size(): number {
    return this.notes.length;
  }
}
