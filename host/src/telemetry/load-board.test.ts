import { beforeEach, describe, expect, it } from '@jest/globals';
import { LoadBoard } from './load-board.js';

describe('the board of loads', () => {
  let board: LoadBoard;
  let told: string[];
  beforeEach(() => {
    board = new LoadBoard();
    told = [];
    board.follow(({ model, state, fraction, reason }) =>
      told.push([model, state, fraction, reason].filter((part) => part !== undefined).join(' ')),
    );
  });
  const [a, b] = [{}, {}];

  it('tells a load once however many wait for it, and only upwards', () => {
    board.step(a, 'p/m', 'loading', undefined);
    board.step(b, 'p/m', 'loading', 0.5);
    board.step(a, 'p/m', 'loading', 0.25);
    board.step(a, 'p/m', 'loading', 0.75);
    board.end(b, 'p/m', 'done');
    // What the other one still says of it is old.
    board.step(a, 'p/m', 'loading', 0.9);
    board.end(a, 'p/m', 'done');
    expect(told).toEqual(['p/m loading', 'p/m loading 0.5', 'p/m loading 0.75', 'p/m ready']);
  });

  it('goes on when one of those who wait leaves, and ends with the last', () => {
    const [one, other] = [{}, {}];
    board.step(one, 'p/m', 'loading', 0.1);
    board.step(other, 'p/m', 'loading', 0.2);
    board.end(one, 'p/m', 'cancelled');
    expect(told).toHaveLength(2);
    board.end(other, 'p/m', 'cancelled');
    expect(told.at(-1)).toBe('p/m cancelled');
    board.step({}, 'p/m', 'loading', 0.3);
    expect(told.at(-1)).toBe('p/m loading 0.3');
  });

  it('says why one has failed, and what was fetched', () => {
    const [one, other] = [{}, {}];
    board.step(one, 'p/m', 'loading', 0.1);
    board.end(one, 'p/m', 'failed', 'no memory');
    board.step(other, 'hf:x', 'fetching', 0.1);
    board.end(other, 'hf:x', 'done');
    expect(told.slice(1)).toEqual(['p/m failed no memory', 'hf:x fetching 0.1', 'hf:x fetched']);
  });

  it('is bounded', () => {
    for (let model = 0; model < 1000; model++) board.step({}, String(model), 'loading', 0);
    expect(told).toHaveLength(100);
  });
});
