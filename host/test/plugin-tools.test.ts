import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { EngineRoom } from '../src/engine-room.js';
import { toolAnswer } from '../src/doors/tool-content.js';
import { active, openRoom, oracle, until } from './support/room.js';

const notes = (version: 1 | 2): string[] => [
  process.execPath,
  fileURLToPath(new URL(`../../examples/tools-plugin/dist/main-v${version}.js`, import.meta.url)),
];
const signal = new AbortController().signal;
const bounds = { signal, timeoutMs: 10_000 };

let room: EngineRoom;
let changes = 0;
beforeAll(async () => {
  room = await openRoom({ plugins: { notes: { command: notes(1) }, oracle: oracle() } });
  room.tools.onChanged(() => (changes += 1));
  await active(room, 'notes');
  await active(room, 'oracle');
}, 60_000);
afterAll(() => room.close(500));

const names = (): string[] => room.tools.list().map(({ name }) => name);

it('offers the methods that carry the option, with descriptions from the comments', () => {
  expect(names()).toEqual(['notes.add_note', 'notes.read_notes', 'notes.show_note']);
  expect(changes).toBe(1);
  const [add, read, show] = room.tools.list();
  expect(add).toMatchObject({
    title: 'Add a note',
    description: 'Writes a note down and returns it with its number.',
    readOnly: false,
    streaming: false,
    typedContent: false,
    inputSchema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        text: { type: 'string', description: 'What the note says; must not be empty.' },
        weight: { enum: ['WEIGHT_UNSPECIFIED', 'WEIGHT_LIGHT', 'WEIGHT_HEAVY'] },
      },
    },
  });
  expect(read).toMatchObject({ streaming: true, readOnly: true });
  expect(show).toMatchObject({ typedContent: true, idempotent: true });
  for (const { inputSchema, outputSchema } of room.tools.list()) {
    for (const schema of [inputSchema, outputSchema]) new Ajv2020({ validateFormats: false }).compile(schema);
  }
});

it('calls them: data, a stream, typed content, and errors that name the field', async () => {
  const first = await room.tools.call('notes.add_note', { text: 'buy tea', weight: 'WEIGHT_HEAVY' }, bounds);
  expect(first).toEqual({ note: { number: '1', text: 'buy tea', weight: 'WEIGHT_HEAVY' } });
  await room.tools.call('notes.add_note', { text: 'water the plants' }, bounds);
  const heard: unknown[] = [];
  const all = await room.tools.call(
    'notes.read_notes',
    {},
    { ...bounds, onMessage: (one) => heard.push(one) },
  );
  expect(all).toHaveLength(2);
  expect(heard).toEqual(all);
  expect(toolAnswer(await room.tools.call('notes.show_note', { number: '1' }, bounds))).toEqual({
    parts: [
      { type: 'text', text: 'buy tea' },
      { type: 'resource_link', uri: 'notes:///1', name: 'note 1', mimeType: 'text/plain' },
    ],
    structured: { number: 1, text: 'buy tea' },
    isError: false,
  });
  await expect(room.tools.call('notes.add_note', { text: '' }, bounds)).rejects.toMatchObject({
    kind: 'invalid_request',
    param: 'text',
  });
  await expect(room.tools.call('notes.add_note', { txt: 'x' }, bounds)).rejects.toMatchObject({
    kind: 'invalid_request',
  });
  await expect(room.tools.call('notes.show_note', { number: '99' }, bounds)).rejects.toMatchObject({
    kind: 'not_found',
  });
  await expect(room.tools.call('notes.nothing', {}, bounds)).rejects.toMatchObject({ kind: 'not_found' });
});

it('has another set when, and only when, the set is another one', async () => {
  const before = room.tools.list();
  // Another instance of the same build, and a crash: nobody is told.
  await room.admin.swap('notes', { bakeMs: 0 }, signal);
  await room.admin.swap('oracle', { bakeMs: 0 }, signal);
  const { active: victim } = room.registry.get('notes') ?? {};
  process.kill(victim?.pid ?? 0, 'SIGKILL');
  await until(() => {
    const now = room.registry.get('notes')?.active;
    return now !== undefined && now !== victim;
  }, 'it is back');
  expect(changes).toBe(1);
  expect(room.tools.list()).toBe(before);

  await room.admin.swap('notes', { command: notes(2), bakeMs: 0 }, signal);
  expect(changes).toBe(2);
  expect(names()).toContain('notes.find_notes');
  await room.tools.call('notes.add_note', { text: 'Read a book' }, bounds);
  expect(await room.tools.call('notes.find_notes', { word: 'book' }, bounds)).toMatchObject({
    notes: [{ text: 'Read a book' }],
  });

  await room.registry.remove('notes', 500);
  expect(changes).toBe(3);
  expect(names()).toEqual([]);
}, 60_000);
