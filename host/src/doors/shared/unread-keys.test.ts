import { describe, expect, it } from '@jest/globals';
import { generateCallFromJson } from './generate-call.js';

const user = { role: 'user', content: 'hi' };
const paths = (body: object): string[] => [
  ...generateCallFromJson('chat', { messages: [user], ...body }).parameters.keys(),
];

describe('keys within a body that nobody reads', () => {
  it.each<[string, object, string[]]>([
    ['of a message', { messages: [user, { ...user, colour: 'red' }] }, ['messages[1].colour']],
    [
      'of a part',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a', cache_control: { type: 'x' } }] }] },
      ['messages[0].content[0].cache_control'],
    ],
    [
      'of what a part holds',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.test/a', fit: 1 } }] },
        ],
      },
      ['messages[0].content[0].image_url.fit'],
    ],
    [
      'of options',
      { stream: true, stream_options: { include_usage: true, every: 5 } },
      ['stream_options.every'],
    ],
    [
      'of a tool',
      { tools: [{ type: 'function', cost: 1, function: { name: 'f', parameters: { a: { b: 1 } } } }] },
      ['tools', 'tools[0].cost'],
    ],
    [
      'of a response format',
      {
        response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { odd: 1 }, loose: true } },
      },
      ['response_format', 'response_format.json_schema.loose'],
    ],
    [
      'of a tool choice',
      {
        tools: [{ type: 'function', function: { name: 'f' } }],
        tool_choice: { type: 'function', function: { name: 'f' }, hard: true },
      },
      ['tools', 'tool_choice', 'tool_choice.hard'],
    ],
  ])('%s are parameters by their path', (_of, body, expected) => {
    // Streaming itself is none of them.
    expect(paths(body).filter((path) => path !== 'stream')).toEqual(expected);
  });

  it('are told once for all entries of a list, and not when they ask for nothing', () => {
    const messages = Array.from({ length: 50 }, () => ({ ...user, colour: 1, annotations: [], audio: null }));
    expect(paths({ messages })).toEqual(['messages[0].colour']);
  });

  it('are bounded', () => {
    const odd = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`odd${at}`, 1]));
    expect(paths({ messages: [{ ...user, ...odd }] })).toHaveLength(16);
    expect(paths({ messages: [{ ...user, ['x'.repeat(1000)]: 1 }] })).toEqual([
      `messages[0].${'x'.repeat(64)}`,
    ]);
  });

  it('are none where every key is read', () => {
    const call = { id: '1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const messages = [
      { role: 'system', content: 'a', name: 'b' },
      { role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AAEC', format: 'wav' } }] },
      { role: 'assistant', content: null, refusal: null, reasoning_content: 'r', tool_calls: [call] },
      { role: 'tool', tool_call_id: '1', content: [{ type: 'text', text: 'x' }] },
    ];
    expect(paths({ messages })).toEqual([]);
  });
});
