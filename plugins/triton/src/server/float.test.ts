import { describe, expect, it } from '@jest/globals';
import { fromBrain, fromHalf, toBrain, toHalf } from './float.js';

describe('half precision', () => {
  it('keeps every half to the bit', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const value = fromHalf(bits);
      if (!Number.isNaN(value)) expect(toHalf(value)).toBe(bits);
    }
    expect(toHalf(NaN) & 0x7c00).toBe(0x7c00);
  });

  it('rounds to the nearest, ties to even', () => {
    expect(fromHalf(toHalf(2049))).toBe(2048);
    expect(fromHalf(toHalf(2051))).toBe(2052);
    expect(fromHalf(toHalf(65_519))).toBe(65_504);
    expect(fromHalf(toHalf(65_520))).toBe(Infinity);
    expect(fromHalf(toHalf(1e-9))).toBe(0);
  });
});

describe('BF16', () => {
  it('is the upper half of a float, rounded', () => {
    expect(fromBrain(toBrain(1.5))).toBe(1.5);
    expect(fromBrain(toBrain(-Infinity))).toBe(-Infinity);
    expect(fromBrain(toBrain(3.14159))).toBeCloseTo(3.140625, 6);
    expect(fromBrain(toBrain(NaN))).toBeNaN();
  });
});
