import { describe, expect, it } from '@jest/globals';
import { shareOf, swapTarget } from './swap-target.js';

describe('where a new instance comes from', () => {
  it.each([
    'unix:/run/a.sock',
    'unix:///run/a.sock',
    'dns:///models.example:50051',
    'ipv4:10.0.0.1:50051',
    'localhost:50051',
    'models.example:1',
    '[::1]:50051',
    'my_plugin:50051',
    'unix:run/a.sock',
    'dns:///a.example',
  ])('%s is an address', (to) => {
    expect(swapTarget(to)).toEqual({ address: to });
  });

  it.each<[string, string[]]>([
    ['node ./main.js', ['node', './main.js']],
    ['/usr/bin/plugin', ['/usr/bin/plugin']],
    [`node 'a b.js' --at localhost:1`, ['node', 'a b.js', '--at', 'localhost:1']],
    ['plugin', ['plugin']],
    ['http://models.example:1', ['http://models.example:1']],
    ['unix:///', ['unix:///']],
    ['C:\\tools\\plugin.exe --x', ['C:\\tools\\plugin.exe', '--x']],
  ])('%s is a command', (to, command) => {
    expect(swapTarget(to)).toEqual({ command });
  });

  it('nothing is the own one, and empty is wrong use', () => {
    expect(swapTarget(undefined)).toEqual({});
    for (const to of ['', '  ', '""']) expect(() => swapTarget(to)).toThrow('--to names nothing');
  });
});

it.each<[string, number | undefined]>([
  ['5%', 0.05],
  ['12.5 %', 0.125],
  ['0.05', 0.05],
  ['100%', 1],
  ['1', 1],
  ['5', undefined],
  ['0%', undefined],
  ['101%', undefined],
  ['-5%', undefined],
  ['five', undefined],
])('a share of %s', (text, share) => {
  expect(shareOf(text)).toBe(share);
});
