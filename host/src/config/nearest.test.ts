import { describe, it, expect } from '@jest/globals';
import { editDistance, nearest, nearestAll } from './nearest.js';

describe('nearest', () => {
  it.each<[string, string, number]>([
    ['', 'abc', 3],
    ['port', 'prot', 1],
    ['kitten', 'sitting', 3],
    ['same', 'same', 0],
  ])('from %j to %j are %d edits', (a, b, edits) => {
    expect(editDistance(a, b)).toBe(edits);
    expect(editDistance(b, a)).toBe(edits);
  });

  it.each<[string, string[], string | undefined]>([
    ['temprature', ['top_p', 'temperature'], 'temperature'],
    ['maxTokens', ['max_tokens', 'max_completion_tokens'], 'max_tokens'],
    ['small', ['house/small:8b', 'house/large'], 'house/small:8b'],
    ['smal:8b', ['house/small:8b'], 'house/small:8b'],
    ['zebra', ['house/small:8b', 'port'], undefined],
    ['', ['a'], undefined],
  ])('%j among %j is %j', (word, among, wanted) => {
    expect(nearest(word, among)).toBe(wanted);
  });

  it('has bounds and an order', () => {
    expect(nearestAll('model-a', ['model-c', 'model-b', 'model-a1'], 2)).toEqual(['model-a1', 'model-b']);
    expect(editDistance('x'.repeat(1e6), 'y'.repeat(1e6))).toBe(128);
  });
});
