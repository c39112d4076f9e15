import type { ServiceHandlers } from '@outrigger/sdk-plugin';
import type { NotesDefinition } from './gen/v1/acme/notes/v1/notes.js';
import type { Notebook } from './notebook.js';

/** The methods that both versions have. */
export function handlersOf(notebook: Notebook): ServiceHandlers<typeof NotesDefinition> {
  return {
    addNote: ({ text, weight }) => Promise.resolve().then(() => ({ note: notebook.add(text, weight) })),
    async *readNotes({ atLeast }) {
      // One at a time: whoever listens sees each note as it is read.
      for (const note of notebook.from(atLeast)) yield await Promise.resolve({ note });
    },
    showNote: ({ number }) =>
      Promise.resolve().then(() => {
        const note = notebook.get(number);
        const uri = `notes:///${note.number}`;
        return {
          content: [
            { kind: { $case: 'text', value: note.text } },
            {
              kind: {
                $case: 'link',
                value: { uri, name: `note ${number}`, description: '', mimeType: 'text/plain' },
              },
            },
          ],
          structuredJson: JSON.stringify({ number: Number(number), text: note.text }),
          isError: false,
        };
      }),
    countNotes: () => Promise.resolve({ count: notebook.size }),
  };
}
