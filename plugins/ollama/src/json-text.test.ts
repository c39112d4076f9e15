import { describe, it, expect } from '@jest/globals';
import { elementTexts, isObjectText, memberText } from './json-text.js';

describe('memberText', () => {
  it('keeps digits and order', () => {
    const json = String.raw`{"x" : {"2":1, "1": 12345678901234567890, "s":"}\"{,"}, "y":[1,{"z":2}] , "n": -1.0e3}`;
    expect(memberText(json, 'x')).toBe(String.raw`{"2":1, "1": 12345678901234567890, "s":"}\"{,"}`);
    expect(memberText(json, 'y')).toBe('[1,{"z":2}]');
    expect(memberText(json, 'n')).toBe('-1.0e3');
    expect(memberText(json, 'z')).toBeUndefined();
    expect(memberText('{"\\u0061":true}', 'a')).toBe('true');
    expect(memberText('{"a":1,"a":2}', 'a')).toBe('2');
    expect(memberText('[]', 'a')).toBeUndefined();
    expect(memberText(undefined, 'a')).toBeUndefined();
    expect(memberText('{}', 'a')).toBeUndefined();
  });

  it('does not tire of depth', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(memberText(`{"a":${deep},"b":1}`, 'b')).toBe('1');
  });
});

describe('elementTexts', () => {
  it('cuts an array into its elements', () => {
    expect(elementTexts('[ 1, "a,]" ,{"b":[1,2]} , null]')).toEqual(['1', '"a,]"', '{"b":[1,2]}', 'null']);
    expect(elementTexts('[]')).toEqual([]);
    expect(elementTexts('{}')).toEqual([]);
    expect(elementTexts(undefined)).toEqual([]);
  });
});

describe('isObjectText', () => {
  it.each([
    ['{}', true],
    ['{"a":1}', true],
    ['[]', false],
    ['null', false],
    ['"x"', false],
    ['{', false],
    ['', false],
  ])('%j: %s', (json, expected) => {
    expect(isObjectText(json)).toBe(expected);
  });
});
