import { describe, expect, it } from '@jest/globals';
import { AnswerReader, wireError, type WireAnswer } from './answer-wire.js';

function read(chunks: WireAnswer[], options?: ConstructorParameters<typeof AnswerReader>[0]) {
  const reader = new AnswerReader(options);
  const events = [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.flush()];
  return { events, complete: reader.complete };
}
const end = (reason: string, index = 0): WireAnswer => ({
  choices: [{ index, delta: {}, finish_reason: reason }],
});
const spent = (completion: number): WireAnswer => ({
  choices: [],
  usage: { prompt_tokens: 7, completion_tokens: completion, prompt_tokens_details: { cached_tokens: 2 } },
});

describe('AnswerReader', () => {
  it('reads text, reasoning and usage, and waits with the finish for the usage', () => {
    const { events, complete } = read([
      { choices: [{ index: 0, delta: { content: null } }] },
      { choices: [{ index: 0, delta: { reasoning_content: 'hm' } }] },
      { choices: [{ index: 0, delta: { content: 'hi' } }] },
      end('stop'),
      spent(3),
    ]);
    expect(complete).toBe(true);
    expect(events).toEqual([
      { type: 'reasoning', choice: 0, text: 'hm' },
      { type: 'text', choice: 0, text: 'hi' },
      { type: 'usage', inputTokens: 7, outputTokens: 3, cachedTokens: 2 },
      { type: 'finish', choice: 0, reason: 'stop', raw: 'stop' },
    ]);
  });

  it.each([
    [3, 3, 'length'],
    [3, 8, 'context_length'],
    [3, undefined, 'context_length'],
  ] as const)('tells a limit of %s tokens used of %s as %s', (used, maxTokens, reason) => {
    const { events } = read([end('length'), spent(used)], { maxTokens });
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason, raw: 'length' });
  });

  it('adds up the usage of several candidates, which share one prompt', () => {
    const { events, complete } = read([end('stop', 0), spent(3), end('length', 1), spent(5)], {
      choices: 2,
      maxTokens: 5,
    });
    expect(complete).toBe(true);
    expect(events.filter(({ type }) => type === 'usage').at(-1)).toMatchObject({
      inputTokens: 7,
      outputTokens: 8,
    });
    expect(events.filter(({ type }) => type === 'finish')).toMatchObject([
      { choice: 0, reason: 'stop' },
      { choice: 1, reason: 'length' },
    ]);
  });

  it('is not complete while a candidate has not ended', () => {
    expect(read([end('stop', 0), spent(1)], { choices: 2 }).complete).toBe(false);
    expect(read([{ choices: [{ delta: { content: 'x' } }] }]).complete).toBe(false);
  });

  it('puts tool calls together and makes up ids that are missing', () => {
    const call = (
      index: number,
      id: string | undefined,
      name: string | undefined,
      args: string,
    ): WireAnswer => ({
      choices: [
        {
          delta: {
            tool_calls: [
              {
                index,
                ...(id === undefined ? {} : { id }),
                function: { ...(name ? { name } : {}), arguments: args },
              },
            ],
          },
        },
      ],
    });
    const { events } = read([
      call(0, 'a', 'f', '{'),
      call(0, undefined, undefined, '}'),
      call(1, undefined, 'g', '{}'),
      end('tool_calls'),
      spent(1),
    ]);
    expect(events.slice(0, 3)).toMatchObject([
      { type: 'tool-call', call: 0, id: 'a', synthesised: false, name: 'f', arguments: '{' },
      { type: 'tool-arguments', call: 0, fragment: '}' },
      {
        type: 'tool-call',
        call: 1,
        id: expect.stringMatching(/^call_/) as unknown,
        synthesised: true,
        name: 'g',
      },
    ]);
    expect(events.at(-1)).toMatchObject({ reason: 'tool_calls' });
  });

  it('takes the repeated beginning off a continuation, also in pieces', () => {
    const say = (content: string): WireAnswer => ({ choices: [{ delta: { content } }] });
    const texts = (chunks: string[]) =>
      read(chunks.map(say), { prefill: 'Sure, ' })
        .events.map((event) => ('text' in event ? event.text : ''))
        .join('');
    expect(texts(['Sure, yes'])).toBe('yes');
    expect(texts(['Su', 're', ', yes'])).toBe('yes');
    expect(texts(['yes'])).toBe('yes');
  });
});

describe('wireError', () => {
  it.each([
    [
      { type: 'exceed_context_size_error', n_prompt_tokens: 9, n_ctx: 4, message: 'x' },
      400,
      'context_length',
      'messages',
    ],
    [
      { type: 'server_error', message: 'input is too large to process. increase' },
      500,
      'context_length',
      'input',
    ],
    [
      { type: 'invalid_request_error', message: "Field 'temperature': must be number" },
      400,
      'invalid_request',
      'temperature',
    ],
    [
      { type: 'invalid_request_error', message: 'JSON schema error' },
      400,
      'invalid_request',
      'response_format',
    ],
    [{ type: 'server_error', message: 'image input is not supported' }, 500, 'unsupported', 'messages'],
    [{ type: 'not_supported_error', message: 'no embeddings' }, 501, 'unsupported', undefined],
    [{ type: 'unavailable_error', message: 'Loading model' }, 503, 'loading', undefined],
    [{ type: 'server_error', message: 'boom' }, 500, 'engine_error', undefined],
    [{ type: 'authentication_error', message: 'key' }, 401, 'engine_error', undefined],
    [{}, 418, 'invalid_request', undefined],
  ])('reads %j', (error, status, kind, param) => {
    const read = wireError(error, status);
    expect([read.kind, read.details.param]).toEqual([kind, param]);
  });

  it('says how much does not fit', () => {
    const error = wireError({ type: 'exceed_context_size_error', n_prompt_tokens: 9, n_ctx: 4 }, 400);
    expect(error.message).toBe("the prompt has 9 tokens, the model's context holds 4");
  });
});
