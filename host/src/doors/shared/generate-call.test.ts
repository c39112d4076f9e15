import { describe, expect, it } from '@jest/globals';
import { Modality, Reasoning_Effort, Role, ToolChoice_Mode } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import { embedCallFromJson, generateCallFromJson } from './generate-call.js';

const hi = [{ role: 'user', content: 'hi' }];
const chat = (more: object = {}) => generateCallFromJson('chat', { model: 'm', messages: hi, ...more });
const look = {
  type: 'function',
  function: { name: 'look', parameters: { type: 'object', properties: { z: {}, a: {} } } },
};
const find = { type: 'function', function: { name: 'find', strict: true } };

function refusal(make: () => unknown): GatewayError {
  try {
    make();
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('was accepted');
}

describe('a chat request as a call', () => {
  it('maps sampling and remembers what the caller set, by the spelling of the caller', () => {
    const { request, parameters } = chat({
      temperature: 0,
      top_p: 0.5,
      top_k: 4,
      max_completion_tokens: 7,
      n: 2,
      seed: 42,
      stop: 'END',
      logit_bias: { '5': -1 },
      logprobs: true,
      top_logprobs: 3,
      frequency_penalty: null,
      user: 'u',
      grammar: 'root ::= "a"',
      store: true,
    });
    expect(request.sampling).toMatchObject({
      temperature: 0,
      topP: 0.5,
      topK: 4,
      maxOutputTokens: 7,
      candidates: 2,
      seed: 42n,
      stop: ['END'],
      logitBias: { '5': -1 },
      topLogprobs: 3,
      frequencyPenalty: undefined,
    });
    expect(request.endUser).toBe('u');
    expect([...parameters.keys()].sort()).toEqual(
      'grammar logit_bias logprobs max_completion_tokens n seed stop store temperature top_k top_logprobs top_p user'.split(
        ' ',
      ),
    );
    expect(parameters.get('seed')).toBe(42);
  });

  it('does not report what asks for nothing', () => {
    const { parameters } = chat({
      n: 1,
      logprobs: false,
      tools: [],
      stop: null,
      response_format: { type: 'text' },
      tool_choice: 'auto',
      parallel_tool_calls: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect([...parameters.keys()]).toEqual([]);
  });

  it('maps a conversation with every role, and names the tool of a result', () => {
    const { request } = generateCallFromJson('chat', {
      messages: [
        { role: 'system', content: 's' },
        { role: 'developer', content: [{ type: 'text', text: 'd' }] },
        { role: 'user', content: 'u', name: 'bob' },
        {
          role: 'assistant',
          content: 'a',
          reasoning_content: 'r',
          refusal: null,
          annotations: [],
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{bad' } }],
          cache: 1,
        },
        { role: 'tool', tool_call_id: 'c1', content: 't' },
        { role: 'assistant', content: 'go', prefix: true },
      ],
    });
    const { messages } = request;
    expect(messages.map((one) => one.role)).toEqual([
      Role.ROLE_SYSTEM,
      Role.ROLE_DEVELOPER,
      Role.ROLE_USER,
      Role.ROLE_ASSISTANT,
      Role.ROLE_TOOL,
      Role.ROLE_ASSISTANT,
    ]);
    expect(messages[2]?.name).toBe('bob');
    expect(messages[3]?.parts.map((part) => part.kind?.$case)).toEqual(['reasoning', 'text', 'toolCall']);
    expect(messages[3]?.extensions).toEqual({ 'openai.cache': '1' });
    expect(messages[4]?.parts[0]?.kind).toMatchObject({
      $case: 'toolResult',
      value: { toolCallId: 'c1', name: 'look' },
    });
    expect(messages.map((one) => one.prefill)).toEqual([false, false, false, false, false, true]);
  });

  it('maps pictures, sound and files', () => {
    const { request } = chat({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAEC', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'https://example.org/a.png' } },
            { type: 'input_audio', input_audio: { data: 'AAEC', format: 'mp3' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,AAEC', filename: 'a.pdf' } },
            { type: 'file', file: { file_id: 'f1' } },
          ],
        },
      ],
    });
    const media = request.messages[0]?.parts.map((part) =>
      part.kind?.$case === 'media' ? part.kind.value : undefined,
    );
    expect(media?.[0]).toMatchObject({
      modality: Modality.MODALITY_IMAGE,
      mimeType: 'image/png',
      detail: 'low',
    });
    expect(media?.[0]?.source).toEqual({ $case: 'data', value: Buffer.from([0, 1, 2]) });
    expect(media?.[1]?.source).toEqual({ $case: 'url', value: 'https://example.org/a.png' });
    expect(media?.[2]).toMatchObject({ modality: Modality.MODALITY_AUDIO, mimeType: 'audio/mpeg' });
    expect(media?.[3]).toMatchObject({ mimeType: 'application/pdf', filename: 'a.pdf' });
    expect(media?.[4]?.source).toEqual({ $case: 'fileId', value: 'f1' });
  });

  it('maps tools, keeping the order of properties, and every form of choice', () => {
    const { request } = chat({ tools: [look, find], tool_choice: 'required', parallel_tool_calls: false });
    expect(request.tools[0]?.parametersJson).toBe('{"type":"object","properties":{"z":{},"a":{}}}');
    expect(request.tools[1]).toMatchObject({
      strict: true,
      parametersJson: '{"type":"object","properties":{}}',
    });
    expect(request.toolChoice).toEqual({ mode: ToolChoice_Mode.MODE_REQUIRED, names: [], parallel: false });
    const named = chat({ tools: [look], tool_choice: { type: 'function', function: { name: 'look' } } });
    expect(named.request.toolChoice).toMatchObject({ mode: ToolChoice_Mode.MODE_TOOL, names: ['look'] });
    const allowed = (mode: string) => ({
      tools: [look, find],
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode, tools: [{ type: 'function', function: { name: 'find' } }] },
      },
    });
    expect(chat(allowed('required')).request.toolChoice?.names).toEqual(['find']);
    expect(chat(allowed('auto')).request.tools.map((one) => one.name)).toEqual(['find']);
  });

  it('maps formats and effort', () => {
    const schema = { type: 'object', properties: { b: {}, a: {} } };
    const { request } = chat({
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema, strict: true } },
      reasoning_effort: 'low',
    });
    expect(request.outputFormat?.kind).toEqual({
      $case: 'jsonSchema',
      value: { name: 'n', schemaJson: JSON.stringify(schema), strict: true },
    });
    expect(request.reasoning?.effort).toBe(Reasoning_Effort.EFFORT_LOW);
    expect(chat({ response_format: { type: 'json_object' } }).request.outputFormat?.kind?.$case).toBe('json');
  });

  const image = (url: string) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }];
  it.each<[string, unknown, string | undefined, RegExp]>([
    ['no messages', { model: 'm' }, 'messages', /is missing/],
    ['empty messages', { messages: [] }, 'messages', /at least 1/],
    ['messages of a wrong type', { messages: 'hi' }, 'messages', /must be an array, not a string/],
    ['an unknown role', { messages: [{ role: 'bot', content: 'x' }] }, 'messages[0].role', /one of .*"tool"/],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content', /is missing/],
    [
      'content of a wrong type',
      { messages: [{ role: 'user', content: 5 }] },
      'messages[0].content',
      /string or an array, not a number/,
    ],
    [
      'an unknown part',
      { messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'messages[0].content[0].type',
      /"image_url"/,
    ],
    [
      'a wrong part',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 1 }] }] },
      'messages[0].content[0].text',
      /string, not a number/,
    ],
    ['a temperature too high', { messages: hi, temperature: 3 }, 'temperature', /at most 2/],
    [
      'a temperature of a wrong type',
      { messages: hi, temperature: 'hot' },
      'temperature',
      /number, not a string/,
    ],
    ['half a token', { messages: hi, max_tokens: 1.5 }, 'max_tokens', /whole number/],
    ['no tokens', { messages: hi, max_tokens: 0 }, 'max_tokens', /at least 1/],
    [
      'two different limits',
      { messages: hi, max_tokens: 1, max_completion_tokens: 2 },
      'max_tokens',
      /differ/,
    ],
    ['a wrong stop', { messages: hi, stop: 5 }, 'stop', /string or an array/],
    ['a wrong model', { messages: hi, model: 5 }, 'model', /string/],
    ['alternatives without logprobs', { messages: hi, top_logprobs: 2 }, 'top_logprobs', /logprobs: true/],
    ['a seed beyond 64 bits', { messages: hi, seed: 1e30 }, 'seed', /./],
    ['old functions', { messages: hi, functions: [] }, 'functions', /`tools`/],
    ['a choice without tools', { messages: hi, tool_choice: 'required' }, 'tool_choice', /empty/],
    [
      'a choice of no tool',
      { messages: hi, tools: [look], tool_choice: { type: 'function', function: { name: 'x' } } },
      'tool_choice',
      /"x"/,
    ],
    [
      'a tool with a bad name',
      { messages: hi, tools: [{ type: 'function', function: { name: 'a b' } }] },
      'tools[0].function.name',
      /must be/,
    ],
    ['a tool of another type', { messages: hi, tools: [{ type: 'custom' }] }, 'tools[0].type', /"function"/],
    [
      'an unknown format',
      { messages: hi, response_format: { type: 'xml' } },
      'response_format.type',
      /"json_schema"/,
    ],
    [
      'a format without schema',
      { messages: hi, response_format: { type: 'json_schema', json_schema: { name: 'n' } } },
      'response_format.json_schema.schema',
      /missing/,
    ],
    [
      'damaged base64',
      { messages: image('data:image/png;base64,A*B=') },
      'messages[0].content[0].image_url.url',
      /base64/,
    ],
    [
      'a file address',
      { messages: image('file:///etc/passwd') },
      'messages[0].content[0].image_url.url',
      /https/,
    ],
    [
      'prefix in the middle',
      { messages: [{ role: 'assistant', content: 'a', prefix: true }, ...hi] },
      'messages[0].prefix',
      /last/,
    ],
    ['an array', [], undefined, /body must be an object/],
  ])('refuses %s and names the field', (_name, body, param, message) => {
    const error = refusal(() => generateCallFromJson('chat', body));
    expect(error.row.http).toBe(400);
    expect(error.param).toBe(param);
    expect(error.message).toMatch(message);
  });
});

describe('a completion request as a call', () => {
  it('takes one text', () => {
    const { request } = generateCallFromJson('completion', { prompt: ['once'], suffix: 'end', logprobs: 2 });
    expect(request).toMatchObject({ prompt: 'once', suffix: 'end', messages: [] });
    expect(request.sampling?.topLogprobs).toBe(2);
  });

  it.each([[['a', 'b']], [[1, 2]], [[[1]]]])('refuses %j with a remedy', (prompt) => {
    const error = refusal(() => generateCallFromJson('completion', { prompt }));
    expect(error).toMatchObject({ kind: 'invalid_request', param: 'prompt' });
    expect(error.message).toMatch(/one text/);
  });
});

describe('a request to embed as a call', () => {
  it.each<[unknown, (string | number[])[]]>([
    ['a', ['a']],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [[1, 2], [[1, 2]]],
    [
      [[1], [2]],
      [[1], [2]],
    ],
  ])('takes %j', (input, expected) => {
    const { inputs } = embedCallFromJson({ input }).request;
    expect(
      inputs.map((one) => (one.kind?.$case === 'tokens' ? one.kind.value.ids : one.kind?.value)),
    ).toEqual(expected);
  });

  it.each<[unknown, string]>([
    [[1, 'a'], '`input[1]` must be a number, not a string'],
    [['a', 1], '`input[1]` must be a string, not a number'],
    [[null], '`input[0]` must be a string, not null'],
    [[[1], [-1]], '`input[1][0]` must be at least 0'],
    [Array(2049).fill('a'), '`input` must have at most 2048 entries'],
  ])('says what is wrong in %#', (input, message) => {
    expect(refusal(() => embedCallFromJson({ input })).message).toBe(message);
  });

  it.each([[''], [[]], [['']], [[1, 'a']], [[-1]], [5], [undefined], [Array(2049).fill('a')]])(
    'refuses %#',
    (input) => {
      expect(refusal(() => embedCallFromJson({ input }))).toMatchObject({ kind: 'invalid_request' });
    },
  );
});
