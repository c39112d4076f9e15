import { describe, expect, test } from '@jest/globals';
import { Roster } from './roster.js';

describe('a roster', () => {
  test('knows who is there, by place', () => {
    const roster = new Roster<string>();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => roster.add(name));
    roster.remove(b ?? -1);
    expect(roster.size).toBe(2);
    expect(roster.members().sort()).toEqual(['a', 'c']);
    expect([a, b, c].map((place) => roster.get(place ?? -1))).toEqual(['a', undefined, 'c']);
  });

  test('does not grow while as many leave as come', () => {
    const roster = new Roster<object>();
    const places = new Set<number>();
    for (let round = 0; round < 100; round += 1) {
      const pair = [roster.add({}), roster.add({})];
      for (const place of pair) {
        places.add(place);
        roster.remove(place);
      }
    }
    expect(places.size).toBe(2);
    expect(roster.size).toBe(0);
    expect(roster.members()).toEqual([]);
  });
});
