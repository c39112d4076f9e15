import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { StopFilter } from './stop-filter.js';

it('finds a sequence that comes in pieces and passes on what is before it', () => {
  const filter = new StopFilter(['</s>', 'END']);
  expect(filter.push('hello <')).toBe('hello ');
  expect(filter.push('/')).toBe('');
  expect(filter.push('b>')).toBe('</b>');
  expect(filter.push(' E')).toBe(' ');
  expect(filter.push('N')).toBe('');
  expect(filter.push('D more')).toBe('');
  expect(filter.found).toBe('END');
  expect(filter.flush()).toBe('');
});

it('cuts as if the text had come whole, however it is split', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 24 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 2, maxLength: 4 }), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, sequences) => {
      const filter = new StopFilter(sequences);
      const said = pieces.map((piece) => filter.push(piece)).join('') + filter.flush();
      const whole = pieces.join('');
      const ends = sequences.map((sequence) => whole.indexOf(sequence)).filter((at) => at >= 0);
      // Split texts may end at a sequence that is complete earlier and begins later; nothing of any sequence is ever said.
      if (ends.length === 0) expect(said).toBe(whole);
      else {
        expect(whole.startsWith(said)).toBe(true);
        expect(sequences.some((sequence) => said.includes(sequence))).toBe(false);
        expect(filter.found).toBeDefined();
      }
    }),
  );
});
