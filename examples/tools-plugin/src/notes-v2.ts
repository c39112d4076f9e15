import { readFileSync } from 'node:fs';
import { definePlugin, pluginService } from '@outrigger/sdk-plugin';
import { NotesDefinition } from './gen/v2/acme/notes/v1/notes.js';
import { handlersOf } from './handlers.js';
import { Notebook } from './notebook.js';

const notebook = new Notebook();

/** Notes, second version: it finds notes as well. */
export const plugin = definePlugin({
  name: 'notes',
  version: '2.0.0',
  displayName: 'Notes',
  services: [
    pluginService({
      definition: NotesDefinition,
      // With the comments: they become the descriptions of the tools.
      descriptorSet: readFileSync(new URL('../descriptor-v2.binpb', import.meta.url)),
      handlers: {
        ...handlersOf(notebook),
        findNotes: ({ word }) => Promise.resolve({ notes: notebook.find(word) }),
      },
    }),
  ],
});
