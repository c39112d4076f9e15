import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startHost, type HostProcess } from '../../../../scripts/testing/host-process.mjs';
import { describeWith } from '../../../../scripts/testing/with-runtime.mjs';
import {
  callTool,
  mcp,
  openai,
  openaiStream,
  rest,
  type Body,
  type DoorAnswer,
} from '../../../../scripts/testing/door-answers.js';

const hello = [{ role: 'user', content: 'Hello' }];
const sentence =
  'This is the demo model of Outrigger, running on a real engine; these words are all it knows. ' +
  'Put a .gguf file into your models folder, or run: outrigger models pull hf:OWNER/REPO/FILE.gguf';
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const unfollowable = {
  type: 'function',
  function: {
    name: 'odd',
    parameters: { type: 'object', properties: { x: { $ref: '#/nowhere' } } },
  },
};
const schema = {
  type: 'json_schema',
  json_schema: {
    name: 'a',
    schema: {
      type: 'object',
      properties: { n: { type: 'integer' } },
      required: ['n'],
      additionalProperties: false,
    },
  },
};

/** What every door must say to a request; one row, four ways in. */
const table: readonly [string, Body, (answer: DoorAnswer) => void][] = [
  [
    'plain',
    { model: 'llama-cpp/demo', messages: hello },
    (answer) => expect(answer).toMatchObject({ text: sentence, finish: 'stop' }),
  ],
  [
    'bare name of a model',
    { model: 'demo', messages: hello },
    (answer) => expect(answer.text).toBe(sentence),
  ],
  ['alias', { model: 'fast', messages: hello }, (answer) => expect(answer.text).toBe(sentence)],
  ['default model', { messages: hello }, (answer) => expect(answer.text).toBe(sentence)],
  [
    'max tokens',
    { model: 'demo', messages: hello, max_tokens: 4 },
    (answer) => expect(answer).toMatchObject({ finish: 'length', output: 4 }),
  ],
  [
    'stop text',
    { model: 'demo', messages: hello, stop: [' model'] },
    (answer) => expect(answer).toMatchObject({ text: 'This is the demo', finish: 'stop' }),
  ],
  [
    'tools',
    { model: 'demo-tools', messages: hello, tools: [weather] },
    (answer) => {
      expect(answer.finish).toBe('tool_calls');
      expect(
        answer.toolCalls?.map(({ name, arguments: args }) => [name, JSON.parse(args) as unknown]),
      ).toEqual([['get_weather', { city: 'Paris' }]]);
    },
  ],
  [
    'JSON schema',
    { model: 'demo', messages: hello, response_format: schema, max_tokens: 60, temperature: 0 },
    (answer) => expect(answer.text).toMatch(/^\s*\{\s*"n"\s*:\s*-?\d/),
  ],
  [
    'a parameter of the plugin and one that nobody knows',
    { model: 'demo', messages: hello, top_k: 1, repeat_last_n: 3, frobnicate: true },
    (answer) => expect(answer).toMatchObject({ text: sentence, ignored: ['frobnicate'] }),
  ],
  [
    'a last message of the assistant',
    { model: 'demo', messages: [...hello, { role: 'assistant', content: 'Well,' }], max_tokens: 3 },
    (answer) => expect(answer).toMatchObject({ text: 'This is the', finish: 'length' }),
  ],
  [
    'a tool whose schema cannot be followed',
    { model: 'demo-tools', messages: hello, tools: [unfollowable] },
    (answer) => expect(answer.error).toBe('invalid_request'),
  ],
  [
    'half a character',
    { model: 'demo', messages: [{ role: 'user', content: 'x\ud800' }] },
    (answer) => expect(answer.error).toBe('invalid_request'),
  ],
  [
    'unknown model',
    { model: 'nobody/knows', messages: hello },
    (answer) => expect(answer.error).toBe('model_not_found'),
  ],
  [
    'context overflow',
    { model: 'llama-cpp/small', messages: [{ role: 'user', content: 'word '.repeat(3000) }] },
    (answer) => expect(answer.error).toBe('context_length_exceeded'),
  ],
];

describeWith('llama-server', 'one path, three doors', (runtime) => {
  let host: HostProcess;

  beforeAll(async () => {
    host = await startHost({
      models: { default: 'llama-cpp/demo', aliases: { fast: 'llama-cpp/demo' } },
      plugins: {
        'llama-cpp': { config: { llamaServer: runtime.path, demo: true, slots: 2, contextLength: 2048 } },
        ollama: { enabled: false },
      },
    });
    await host.hasModel('llama-cpp/demo');
  }, 60_000);

  afterAll(async () => {
    await host.stop();
  }, 20_000);

  it.each(table)('%s', async (name, body, check) => {
    const asked = name === 'context overflow' ? { ...body, model: 'llama-cpp/demo' } : body;
    const answers = [
      await openai(host, asked),
      await openaiStream(host, asked),
      await rest(host, asked),
      await mcp(host, asked),
    ];
    for (const answer of answers) check(answer);
    // Not only each right, but all the same: text, finish reason, usage, kind of error.
    const [first, ...others] = answers;
    for (const other of others) expect(other).toEqual(first);
  });

  it('embeddings', async () => {
    const input = ['one', 'two'];
    const model = 'demo-embed';
    const float = (await (
      await host.post('/v1/embeddings', { model, input, encoding_format: 'float' })
    ).json()) as any;
    const base64 = (await (
      await host.post('/v1/embeddings', { model, input, encoding_format: 'base64' })
    ).json()) as any;
    const atRest = (await (await host.post('/mcp/v1/embed', { model, input })).json()) as any;
    const atMcp = (await callTool(host, 'embed', { model, input }))['structuredContent'];
    const vectors = float.data.map((one: any) => one.embedding as number[]) as number[][];
    expect(vectors).toHaveLength(2);
    expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 3);
    expect(atRest.embeddings).toEqual(vectors);
    expect(atMcp.embeddings).toEqual(vectors);
    const decoded = base64.data.map((one: any) => {
      const bytes = Buffer.from(one.embedding as string, 'base64');
      return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4));
    });
    expect(decoded).toEqual(vectors);
    expect(float.usage.prompt_tokens).toBe(atRest.usage.input_tokens);
  });

  it('strictness turns an ignored parameter into an error at every door', async () => {
    const body = { model: 'demo', messages: hello, frobnicate: true };
    const headers = { 'x-outrigger-strict-params': 'true' };
    const openaiError = (await (await host.post('/v1/chat/completions', body, { headers })).json()) as any;
    const restError = (await (await host.post('/mcp/v1/chat', body, { headers })).json()) as any;
    expect(openaiError.error).toMatchObject({ code: 'unsupported_parameter', param: 'frobnicate' });
    expect(restError).toMatchObject({ kind: 'unsupported_parameter', param: 'frobnicate', status: 400 });
  });
});
