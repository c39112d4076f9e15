import { expect, test } from '@jest/globals';
import { Roster } from './roster.js';

test('a roster knows who is there, and does not grow while as many leave as come', () => {
  const roster = new Roster<string>();
  const stays = roster.add('stays');
  for (let round = 0; round < 100; round += 1) {
    const place = roster.add('comes and goes');
    expect(place).toBe(stays + 1);
    expect(roster.members()).toEqual(['stays', 'comes and goes']);
    roster.remove(place);
  }
  expect(roster.members()).toEqual(['stays']);
});
