import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../../../../scripts/testing/with-runtime.mjs';
import {
  callTool,
  mcp,
  openai,
  openaiStream,
  rest,
  type DoorAnswer,
} from '../../../../scripts/testing/door-answers.js';
import { Gateway, say, type Body } from './gateway.js';
import { LiveStream, streamDoors } from './live-stream.js';

const text = (words: string): Body => say(words, { model: 'triton/text' });

/** What every door must say to a request; one row, four ways in. */
const table: readonly [string, Body, DoorAnswer][] = [
  [
    'chat',
    say('one two', { max_tokens: 3 }),
    { text: 'one two one ', finish: 'length', input: 2, output: 3, ignored: [] },
  ],
  ['a bare name', say('one', { model: 'llm', max_tokens: 1 }), { text: 'one ', finish: 'length' }],
  ['a stop text', say('one two', { stop: ['two'] }), { text: 'one ', finish: 'stop' }],
  [
    'a parameter that the model has and one that nobody has',
    say('one', { max_tokens: 1, top_k: 3, frobnicate: 1 }),
    { text: 'one ', ignored: ['frobnicate'] },
  ],
  ['a model with one answer per request', text('hello'), { text: 'You said: hello ' }],
  ['an unknown model', say('x', { model: 'triton/nobody' }), { error: 'model_not_found' }],
  ['a model that is not loaded', say('x', { model: 'triton/trt' }), { error: 'model_unavailable' }],
  ['chat with an embedding model', say('x', { model: 'triton/embed' }), { error: 'unsupported_operation' }],
  ['a prompt too long for the model', text('endless'), { error: 'context_length_exceeded' }],
  ['a model that raises an exception', text('raise'), { error: 'upstream_error' }],
  [
    'a failure that comes inside a stream with status OK',
    say('x', { sampling_parameters: { fail_at: 0 } }),
    { error: 'upstream_error' },
  ],
];

describeWith('tritonserver', 'Triton at every door', ({ path }) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await Gateway.start(path, ['llm', 'text', 'embed', 'math']);
  }, 90_000);
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
  }, 30_000);

  it.each(table)('%s', async (_name, body, expected) => {
    const { host } = gateway;
    const answers = await Promise.all([openai, openaiStream, rest, mcp].map((door) => door(host, body)));
    expect(answers[0]).toMatchObject(expected);
    // Not only each right, but all the same.
    for (const other of answers.slice(1)) expect(other).toEqual(answers[0]);
  });

  it.each(streamDoors)('streams in pieces at %s', async (door) => {
    const asked = say('tick', { max_tokens: 40, sampling_parameters: { delay: 0.02 } });
    const stream = new LiveStream(gateway, door, asked);
    expect(await stream.ended).toEqual({
      text: 'tick '.repeat(40),
      finish: 'length',
      error: undefined,
      detail: '',
      complete: true,
    });
    expect(stream.pieces).toBeGreaterThan(3);
  });

  it.each(streamDoors)('a failure in the middle of a stream ends it as an error at %s', async (door) => {
    const message = 'ValueError: bad\nFile "/srv/models/llm/1/model.py", line 3, in run';
    const asked = say('tick', { sampling_parameters: { fail_at: 3, delay: 0.02, message } });
    const ending = await new LiveStream(gateway, door, asked).ended;
    expect(ending).toMatchObject({ error: 'upstream_error', finish: undefined, complete: false });
    expect(ending.text).toBe('tick tick tick ');
    expect(ending.detail).not.toMatch(/\/srv|model\.py|line 3/);
  });

  it('embeddings', async () => {
    const { host } = gateway;
    const asked = {
      model: 'triton/embed',
      input: Array.from({ length: 20 }, (_, at) => 'a'.repeat(at) + 'b'),
    };
    const atOpenai = await gateway.post('/v1/embeddings', { ...asked, encoding_format: 'float' });
    const atRest = await gateway.post('/mcp/v1/embed', asked);
    const atMcp = (await callTool(host, 'embed', asked))['structuredContent'];
    const expected = asked.input.map((_, at) => [at, 1, 0, 0, 0, 0, 0, 0]);
    expect(atOpenai.body['data'].map((one: { embedding: number[] }) => one.embedding)).toEqual(expected);
    expect(atRest.body['embeddings']).toEqual(expected);
    expect(atMcp.embeddings).toEqual(expected);
    expect(atOpenai.body['usage'].prompt_tokens).toBe(atRest.body['usage'].input_tokens);
    expect(atMcp.usage).toEqual(atRest.body['usage']);
  });

  it('an embedding that fails', async () => {
    const asked = { model: 'triton/embed', input: ['fine', 'poison'] };
    const atMcp = (await callTool(gateway.host, 'embed', asked))['structuredContent'];
    expect(await gateway.post('/v1/embeddings', asked)).toMatchObject({
      status: 400,
      body: { error: { type: 'invalid_request_error', message: expect.stringContaining('poison') } },
    });
    expect(await gateway.post('/mcp/v1/embed', asked)).toMatchObject({
      status: 400,
      body: { kind: 'invalid_request' },
    });
    expect(atMcp.error.kind).toBe('invalid_request');
  });

  describe('raw tensors, by reflection alone', () => {
    const asked = {
      model: 'math',
      inputs: [
        { name: 'large', integers: ['9223372036854775807', '1'] },
        { name: 'half', numbers: [0.5, -2] },
        { name: 'bytes', texts: ['ž', 'plain'] },
      ],
    };
    const outputs = [
      { name: 'large_out', datatype: 'INT64', shape: ['2'], integers: ['1', '9223372036854775807'] },
      { name: 'half_out', datatype: 'FP16', shape: ['2'], numbers: [-2, 0.5] },
      { name: 'bytes_out', datatype: 'BYTES', shape: ['2'], texts: ['plain', 'ž'] },
    ];

    it('are a route that answers typed JSON', async () => {
      const { status, body } = await gateway.post('/mcp/v1/tools/triton.infer_tensors', asked);
      expect(status).toBe(200);
      expect(body['result']).toMatchObject({ model: 'math', version: '1', answers: [{ outputs }] });
    });

    it('are a tool with a schema, and answer the same', async () => {
      const result = await callTool(gateway.host, 'triton.describe_tensors', { model: 'embed' });
      expect(result['structuredContent']).toMatchObject({
        kind: 'embedding',
        maxBatchSize: 8,
        outputs: [{ name: 'embedding', datatype: 'FP32', shape: ['-1', '8'] }],
      });
      const { tools } = await gateway.get('/mcp/v1/tools');
      const infer = tools.find((tool: { name: string }) => tool.name === 'triton.infer_tensors');
      expect(infer.input_schema.properties).toHaveProperty('inputs');
      expect(infer).toMatchObject({ plugin: 'triton', title: 'Run a model on tensors', read_only: false });
      const called = await mcpTool(gateway, 'triton.infer_tensors', asked);
      expect(called['structuredContent']).toMatchObject({ answers: [{ outputs }] });
    });

    it('say which field is wrong', async () => {
      const wrong: [object, string][] = [
        [{ name: 'nope', integers: [1] }, 'inputs[0].name'],
        [{ name: 'small', integers: [128] }, 'inputs[0]'],
        [{ name: 'small', integers: [1], datatype: 'INT7' }, 'inputs[0].datatype'],
        [{ name: 'small', integers: ['one'] }, ''],
        [{ name: 'small', shape: 'round' }, ''],
      ];
      for (const [input, field] of wrong) {
        const { status, body } = await gateway.post('/mcp/v1/tools/triton.infer_tensors', {
          model: 'math',
          inputs: [input],
        });
        expect([status, body['kind']]).toEqual([400, 'invalid_request']);
        expect(JSON.stringify(body)).toContain(field);
      }
      const unknown = await gateway.post('/mcp/v1/tools/triton.infer_tensors', { model: 'nobody' });
      expect([unknown.status, unknown.body['kind']]).toEqual([404, 'model_not_found']);
    });
  });

  it('bad requests are never called internal', async () => {
    const parameters: Body[] = [
      { sampling_parameters: 'no object' },
      { sampling_parameters: '[1]' },
      { sampling_parameters: { fail_at: 0, code: 'INVALID_ARG' } },
      { inputs: { nobody: 1 } },
      { inputs: { stream: 'yes' } },
      { inputs: 7 },
    ];
    for (const more of parameters) {
      const { host } = gateway;
      const asked = say('x', more);
      for (const door of [openai, openaiStream, rest, mcp]) {
        expect([more, (await door(host, asked)).error]).toEqual([more, 'invalid_request']);
      }
    }
  });
});

/** Calls a plugin's tool with its arguments as they are. */
async function mcpTool(gateway: Gateway, name: string, args: object): Promise<Record<string, any>> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const headers = {
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': name,
  };
  const params = { name, arguments: args, _meta: meta };
  const response = await gateway.host.post(
    '/mcp',
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
    { headers },
  );
  const said = await response.text();
  return JSON.parse(said.startsWith('{') ? said : (/^data: (\{.*)$/m.exec(said)?.[1] ?? '{}')).result;
}
