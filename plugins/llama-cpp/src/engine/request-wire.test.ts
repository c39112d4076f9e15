import { describe, expect, it } from '@jest/globals';
import type { GenerationRequest } from './engine.js';
import { generationCall, seedNumber } from './request-wire.js';

const chat = (more: Partial<GenerationRequest & { kind: 'chat' }> & object = {}): GenerationRequest => ({
  input: { kind: 'chat', messages: [{ role: 'user', content: 'hi' }], tools: [] },
  sampling: {},
  ...more,
});
const body = (request: GenerationRequest, stream = true) =>
  JSON.parse(generationCall(request, stream).body) as Record<string, unknown>;

describe('generationCall', () => {
  it('sends only what was asked for', () => {
    expect(generationCall(chat(), true)).toEqual({
      path: '/v1/chat/completions',
      body: '{"messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}',
    });
    expect(body(chat(), false)).toEqual({ messages: [{ role: 'user', content: 'hi' }], stream: false });
  });

  it('passes schemas on to the letter: order, digits and all', () => {
    const schema = '{"properties":{"b":{"const":12345678901234567890},"2":{},"1":{}},"type":"object"}';
    expect(generationCall(chat({ format: { kind: 'json-schema', schema } }), true).body).toContain(schema);
    const tools = [{ name: 'f', description: '', parameters: schema }];
    const input = { ...chat().input, tools } as GenerationRequest['input'];
    expect(generationCall(chat({ input }), true).body).toContain(`"parameters":${schema}`);
  });

  it.each([
    ['response_format', chat({ format: { kind: 'json-schema', schema: '{oops' } })],
    [
      'tools',
      chat({
        input: { kind: 'chat', messages: [], tools: [{ name: 'f', description: '', parameters: '{' }] },
      }),
    ],
    ['tool_choice', chat({ input: { kind: 'chat', messages: [], tools: [], toolChoice: { name: 'f' } } })],
  ])('refuses a wrong %s by its name', (param, request) => {
    expect(() => generationCall(request, true)).toThrow(
      expect.objectContaining({
        kind: 'invalid_request',
        details: expect.objectContaining({ param }) as unknown,
      }),
    );
  });

  it('offers only the tool that was named, and requires it', () => {
    const tools = ['f', 'g'].map((name) => ({ name, description: '', parameters: '' }));
    const sent = body(chat({ input: { kind: 'chat', messages: [], tools, toolChoice: { name: 'g' } } }));
    expect(sent).toMatchObject({ tool_choice: 'required', tools: [{ function: { name: 'g' } }] });
    expect(sent['tools']).toHaveLength(1);
  });

  it('does not let extra parameters replace the request', () => {
    const sent = body(chat({ extra: { messages: 'evil', stream: 'evil', mirostat: 2 } }));
    expect(sent).toMatchObject({ messages: [{ content: 'hi' }], stream: true, mirostat: 2 });
  });

  it('turns reasoning off beside what the template is given anyway', () => {
    const extra = { chat_template_kwargs: { tone: 'dry', enable_thinking: true } };
    expect(body(chat({ extra, reasoning: { effort: 'none' } }))).toMatchObject({
      reasoning_effort: 'none',
      chat_template_kwargs: { tone: 'dry', enable_thinking: false },
    });
    expect(body(chat({ reasoning: { effort: 'low', budgetTokens: 9 } }))).toMatchObject({
      reasoning_effort: 'low',
      thinking_budget_tokens: 9,
    });
  });

  it('names things as each route does', () => {
    const sampling = { topLogprobs: 2, maxTokens: 3, logitBias: new Map([[5, -100]]), seed: 7n };
    expect(body(chat({ sampling }))).toMatchObject({
      logprobs: true,
      top_logprobs: 2,
      logit_bias: [[5, -100]],
      seed: 7,
    });
    const completion = {
      input: { kind: 'completion', prompt: 'x' },
      sampling,
      format: { kind: 'json' },
    } as const;
    expect(generationCall(completion, true).path).toBe('/v1/completions');
    expect(body(completion)).toMatchObject({ prompt: 'x', logprobs: 2, json_schema: { type: 'object' } });
  });
});

describe('seedNumber', () => {
  it('folds any seed into 32 bits and never hits the one that means random', () => {
    expect(seedNumber(5n)).toBe(5);
    expect(seedNumber(-1n)).toBe(0xff_ff_ff_fe);
    expect(seedNumber(2n ** 40n + 9n)).toBe(9);
  });
});
