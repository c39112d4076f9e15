import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FinishReason } from '@outrigger/proto';
import OpenAI from 'openai';
import { errorTable, type ErrorKind } from '../../errors/error-table.js';
import { GatewayError } from '../../errors/gateway-error.js';
import { answer, delta, finish, head, text, usage } from '../testing/scripted-inference.js';
import { openTestDoor, sseData, until, type TestDoor } from '../testing/test-door.js';

const chat = '/v1/chat/completions';
const messages = [{ role: 'user' as const, content: 'hi' }];
const call = { id: 'c1', name: 'look', argumentsJson: '', idSynthesised: false };

let door: TestDoor;
beforeEach(async () => {
  door = await openTestDoor();
});
afterEach(() => door.door.close(0));

interface Chunk {
  id: string;
  object: string;
  created: number;
  model: string;
  usage?: object | null;
  choices: { index: number; delta: Record<string, unknown>; finish_reason: string | null }[];
}

async function chunks(body: object): Promise<{ chunks: Chunk[]; lines: string[] }> {
  const reply = await door.post(chat, { model: 'm', messages, stream: true, ...body });
  const lines = sseData(reply.text);
  const parsed = lines.filter((line) => line !== '[DONE]').map((line) => JSON.parse(line) as Chunk);
  return { chunks: parsed, lines };
}

describe('a chat answer at once', () => {
  it('has the shape of OpenAI', async () => {
    const reply = await door.post(chat, { model: 'm', messages });
    expect(reply.status).toBe(200);
    expect(reply.json()).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'demo/org/model:q4',
      system_fingerprint: 'fp',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello world', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    });
    expect(reply.headers['x-outrigger-plugin']).toBe('demo@1.2.3');
    expect(reply.headers['x-request-id']).toMatch(/^req_/);
    expect(Number(reply.headers['openai-processing-ms'])).toBeGreaterThanOrEqual(0);
  });

  it('has tool calls, reasoning and several candidates', async () => {
    door.inference.script = [
      [
        head,
        delta({ $case: 'reasoning', value: 'hm' }, { part: 0 }),
        delta({ $case: 'toolCall', value: { ...call, argumentsJson: '{' } }, { part: 1 }),
        delta({ $case: 'toolArguments', value: '}' }, { part: 1 }),
        text('other', { candidate: 1 }),
        finish(FinishReason.FINISH_REASON_TOOL_CALLS),
        finish(FinishReason.FINISH_REASON_LENGTH, 1),
      ],
    ];
    const body = (await door.post(chat, { messages, n: 2 })).json();
    const calls = [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } }];
    expect(body['choices']).toMatchObject([
      { message: { content: null, reasoning_content: 'hm', tool_calls: calls }, finish_reason: 'tool_calls' },
      { message: { content: 'other' }, finish_reason: 'length' },
    ]);
    expect(body).not.toHaveProperty('usage');
  });

  it('has log probabilities without infinities', async () => {
    const token = (name: string, logprob: number) => ({
      token: name,
      bytes: Buffer.alloc(0),
      logprob,
      top: [],
    });
    const logprobs = [{ ...token('a', -0.5), top: [token('b', -Infinity)] }];
    door.inference.script = [[head, delta({ $case: 'text', value: 'a' }, { logprobs }), finish()]];
    const body = (await door.post(chat, { messages, logprobs: true })).json();
    expect(body).toHaveProperty('choices.0.logprobs', {
      content: [
        {
          token: 'a',
          logprob: -0.5,
          bytes: [97],
          top_logprobs: [{ token: 'b', logprob: -9999, bytes: [98] }],
        },
      ],
      refusal: null,
    });
  });

  it('tells warnings and ignored parameters', async () => {
    door.inference.ignoredParams = ['store', 'mäh'];
    const warning = { code: 'schema_narrowed', field: 'response_format', message: 'narrowed' };
    door.inference.script = [[head, { event: { $case: 'warning', value: warning } }, ...answer('x')]];
    const reply = await door.post(chat, { messages });
    expect(reply.headers['x-outrigger-ignored-params']).toBe('store,m%C3%A4h');
    expect(reply.headers['x-outrigger-warnings']).toBe('1');
    expect(reply.json()['outrigger']).toEqual({
      plugin: 'demo@1.2.3',
      instance: 'i1',
      ignored_params: ['store', 'mäh'],
      warnings: [warning],
    });
  });

  const reasons: [FinishReason, string, string | undefined][] = [
    [FinishReason.FINISH_REASON_STOP, 'stop', undefined],
    [FinishReason.FINISH_REASON_STOP_SEQUENCE, 'stop', 'stop_sequence'],
    [FinishReason.FINISH_REASON_LENGTH, 'length', undefined],
    [FinishReason.FINISH_REASON_CONTEXT_LENGTH, 'length', 'context_length'],
    [FinishReason.FINISH_REASON_CONTENT_FILTER, 'content_filter', undefined],
    [FinishReason.FINISH_REASON_PAUSED, 'length', 'paused'],
    [FinishReason.FINISH_REASON_OTHER, 'stop', 'other'],
    [FinishReason.UNRECOGNIZED, 'stop', 'other'],
  ];
  it.each(reasons)('says %s as %s', async (reason, word, told) => {
    door.inference.script = [[head, text('x'), finish(reason, 0, 'raw')]];
    const body = (await door.post(chat, { messages })).json();
    expect(body).toHaveProperty('choices.0.finish_reason', word);
    if (told === undefined) expect(body).not.toHaveProperty('outrigger');
    else expect(body).toHaveProperty('outrigger.finish', [{ index: 0, reason: told, raw: 'raw' }]);
  });
});

describe('a chat answer as a stream', () => {
  it('opens with the role, ends with one finish reason and [DONE], and keeps id and created', async () => {
    const { chunks: got, lines } = await chunks({});
    expect(got.map((one) => one.choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { content: 'Hello world' },
      {},
    ]);
    expect(got.map((one) => one.choices[0]?.finish_reason)).toEqual([null, null, 'stop']);
    expect(lines.at(-1)).toBe('[DONE]');
    expect(lines.filter((one) => one === '[DONE]')).toHaveLength(1);
    for (const key of ['id', 'created', 'model', 'object'] as const) {
      expect(new Set(got.map((one) => one[key])).size).toBe(1);
    }
    expect(got[0]?.object).toBe('chat.completion.chunk');
    expect(got.every((one) => !('usage' in one))).toBe(true);
  });

  it('sends headers that proxies let through', async () => {
    const { headers } = await door.post(chat, { messages, stream: true });
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
  });

  it('tells usage only when asked, in a chunk of its own', async () => {
    const { chunks: got, lines } = await chunks({ stream_options: { include_usage: true } });
    const last = got.at(-1);
    expect(last).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    });
    expect(got.slice(0, -1).every((one) => one.usage === null)).toBe(true);
    expect(lines.at(-1)).toBe('[DONE]');
  });

  it('never invents usage', async () => {
    door.inference.script = [[head, text('x'), finish()]];
    const { chunks: got } = await chunks({ stream_options: { include_usage: true } });
    expect(got.at(-1)).toMatchObject({ choices: [], usage: null });
  });

  it('numbers tool calls per candidate and names them once', async () => {
    const start = (id: string, part: number, candidate = 0) =>
      delta({ $case: 'toolCall', value: { ...call, id } }, { part, candidate });
    const more = (value: string, part: number) => delta({ $case: 'toolArguments', value }, { part });
    door.inference.script = [
      [head, start('a', 3), more('{', 3), start('b', 5), more('[', 5), more('}', 3), start('z', 0, 1)],
      [finish(FinishReason.FINISH_REASON_TOOL_CALLS), finish(FinishReason.FINISH_REASON_TOOL_CALLS, 1)],
    ];
    const { chunks: got } = await chunks({ n: 2 });
    const calls = got.flatMap((one) =>
      one.choices.flatMap(({ index, delta: { tool_calls: list } }) =>
        ((list ?? []) as object[]).map((each) => ({ candidate: index, ...each })),
      ),
    );
    expect(calls).toEqual([
      { candidate: 0, index: 0, id: 'a', type: 'function', function: { name: 'look', arguments: '' } },
      { candidate: 0, index: 0, function: { arguments: '{' } },
      { candidate: 0, index: 1, id: 'b', type: 'function', function: { name: 'look', arguments: '' } },
      { candidate: 0, index: 1, function: { arguments: '[' } },
      { candidate: 0, index: 0, function: { arguments: '}' } },
      { candidate: 1, index: 0, id: 'z', type: 'function', function: { name: 'look', arguments: '' } },
    ]);
    expect(got[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: null });
    expect(
      got.flatMap((one) => one.choices.map((each) => each.finish_reason)).filter((one) => one !== null),
    ).toEqual(['tool_calls', 'tool_calls']);
  });

  it('ends an answer that was cut with an error and nothing else', async () => {
    // Even the finish reason and usage that came before do not make it whole.
    door.inference.script = [
      [head, text('half'), finish(), usage(1, 1)],
      new GatewayError('truncated', 'the plugin died', { plugin: 'demo' }),
    ];
    const { lines } = await chunks({ stream_options: { include_usage: true } });
    expect(lines).not.toContain('[DONE]');
    expect(lines.some((line) => /"finish_reason":"|prompt_tokens/.test(line))).toBe(false);
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
      error: { message: 'the plugin died', type: 'server_error', param: null, code: 'stream_truncated' },
    });
  });

  it('answers an error before the first token with a proper status', async () => {
    door.inference.script = [[head], new GatewayError('queue_full', 'busy', { retryAfterMs: 1500 })];
    const reply = await door.post(chat, { messages, stream: true });
    expect(reply.status).toBe(503);
    expect(reply.headers['retry-after']).toBe('2');
    expect(reply.headers['retry-after-ms']).toBe('1500');
    expect(reply.json()).toEqual({
      error: { message: 'busy', type: 'server_error', param: null, code: 'overloaded' },
    });
  });

  it('keeps a silent stream open with comments', async () => {
    await door.door.close(0);
    door = await openTestDoor({ keepAliveMs: 5 });
    door.inference.script = undefined;
    // Resolves with the headers, which leave with the first comment.
    const reply = await fetch(door.url + chat, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages, stream: true }),
    });
    expect(reply.status).toBe(200);
    const [generation] = door.inference.generations;
    generation?.push(...answer('x'));
    generation?.complete();
    const got = await reply.text();
    expect(got.startsWith(': ping\n\n')).toBe(true);
    expect(got.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

describe('completions', () => {
  it('answers at once and as a stream', async () => {
    const body = (await door.post('/v1/completions', { prompt: 'p', echo: true })).json();
    expect(body).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: 'pHello world', logprobs: null, finish_reason: 'stop' }],
    });
    const { text: got } = await door.post('/v1/completions', { prompt: 'p', stream: true });
    const lines = sseData(got);
    expect(lines.at(-1)).toBe('[DONE]');
    const texts = lines
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { choices: { text: string }[] }).choices[0]?.text);
    expect(texts.join('')).toBe('Hello world');
  });

  it('has log probabilities in the old shape', async () => {
    const token = (name: string, logprob: number) => ({
      token: name,
      bytes: Buffer.alloc(0),
      logprob,
      top: [],
    });
    const piece = (name: string) =>
      delta({ $case: 'text', value: name }, { logprobs: [{ ...token(name, -1), top: [token(name, -1)] }] });
    door.inference.script = [[head, piece('ab'), piece('c'), finish()]];
    const body = (await door.post('/v1/completions', { prompt: 'p', logprobs: 1 })).json();
    expect(body).toHaveProperty('choices.0.logprobs', {
      tokens: ['ab', 'c'],
      token_logprobs: [-1, -1],
      top_logprobs: [{ ab: -1 }, { c: -1 }],
      text_offset: [0, 2],
    });
  });
});

describe('embeddings', () => {
  it('are numbers or base64 of the same floats', async () => {
    const body = (await door.post('/v1/embeddings', { input: ['a', 'b'] })).json();
    expect(body).toHaveProperty('data.1', { object: 'embedding', index: 1, embedding: [1, 0.5, -1] });
    expect(body['usage']).toEqual({ prompt_tokens: 7, total_tokens: 7 });
    const coded = (
      await door.post('/v1/embeddings', { input: ['a', 'b'], encoding_format: 'base64' })
    ).json();
    const bytes = Buffer.from((coded['data'] as { embedding: string }[])[1]?.embedding ?? '', 'base64');
    expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual([1, 0.5, -1]);
  });

  it.each<[string, number[][]]>([
    ['too few vectors', [[1]]],
    ['values that are no numbers', [[NaN], [1]]],
  ])('are an upstream error with %s', async (_name, vectors) => {
    door.inference.vectors = vectors;
    const reply = await door.post('/v1/embeddings', { input: ['a', 'b'] });
    expect(reply.status).toBe(502);
    expect(reply.json()).toHaveProperty('error.code', 'upstream_error');
  });
});

describe('models', () => {
  it.each([
    '/v1/models/demo/org/model:q4',
    '/v1/models/demo%2Forg%2Fmodel%3Aq4',
    '/v1/models/demo/org%2Fmodel:q4',
  ])('are found at %s', async (path) => {
    expect((await door.send('GET', path)).json()).toMatchObject({
      id: 'demo/org/model:q4',
      object: 'model',
      created: 1_700_000_000,
      owned_by: 'demo',
    });
  });

  it('are listed, and an unknown one is a 404', async () => {
    const list = (await door.send('GET', '/v1/models')).json();
    expect(list['object']).toBe('list');
    expect(list['data']).toHaveLength(1);
    const missing = await door.send('GET', '/v1/models/nope');
    expect(missing.status).toBe(404);
    expect(missing.json()['error']).toMatchObject({ code: 'model_not_found', param: 'model' });
  });
});

describe('errors', () => {
  it.each([
    ['/v1/embeddings', 'input', { input: [] }, '`input` must have at least 1 entries'],
    [chat, 'stop', { messages, stop: Array(500).fill('x') }, /^`stop` must have at most \d+ entries$/],
    [chat, 'stop', { messages, stop: {} }, /^`stop` must be a string or an array/],
  ])('of %s name the bound that %s misses', async (path, param, body, message) => {
    const reply = await door.post(path, body);
    expect(reply.status).toBe(400);
    expect(reply.json()['error']).toMatchObject({
      param,
      message: typeof message === 'string' ? message : (expect.stringMatching(message) as unknown),
    });
  });

  it('do not call a number no number', async () => {
    const reply = await door.send(
      'POST',
      chat,
      `{"messages":${JSON.stringify(messages)},"temperature":1e999}`,
    );
    expect(reply.json()['error']).toMatchObject({ message: '`temperature` must be a finite number' });
  });

  it.each(Object.keys(errorTable) as ErrorKind[])(
    'of kind %s have four keys and their status',
    async (kind) => {
      door.inference.refusal = new GatewayError(kind, 'sorry');
      const reply = await door.post(chat, { messages });
      const { http, openaiType, openaiCode } = errorTable[kind];
      expect(reply.status).toBe(http);
      expect(reply.json()).toEqual({
        error: { message: 'sorry', type: openaiType, param: null, code: openaiCode },
      });
    },
  );

  it('that nobody meant say nothing about the inside, and the log has them', async () => {
    door.inference.refusal = new TypeError('secret at /some/path') as unknown as GatewayError;
    const reply = await door.post(chat, { messages });
    expect(reply.status).toBe(500);
    expect(reply.text).not.toMatch(/secret|path|at /);
    expect(door.log.lines.find((line) => line.level === 'error')?.fields).toMatchObject({
      requestId: reply.headers['x-request-id'],
      err: { message: 'secret at /some/path' },
    });
  });
});

describe('the official client', () => {
  const client = () => new OpenAI({ baseURL: `${door.url}/v1`, apiKey: 'none', maxRetries: 0 });

  it('chats, streams, embeds and lists', async () => {
    const whole = await client().chat.completions.create({ model: 'm', messages });
    expect(whole.choices[0]?.message.content).toBe('Hello world');
    const stream = client().chat.completions.stream({
      model: 'm',
      messages,
      stream_options: { include_usage: true },
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe('Hello world');
    expect(final.usage?.total_tokens).toBe(7);
    // It asks for base64 by itself and decodes it.
    const embedded = await client().embeddings.create({ model: 'm', input: ['a', 'b'] });
    expect(embedded.data[1]?.embedding).toEqual([1, 0.5, -1]);
    const ids: string[] = [];
    for await (const model of client().models.list()) ids.push(model.id);
    expect(ids).toEqual(['demo/org/model:q4']);
    expect((await client().models.retrieve('demo/org/model:q4')).id).toBe('demo/org/model:q4');
    const completed = await client().completions.create({ model: 'm', prompt: 'p' });
    expect(completed.choices[0]?.text).toBe('Hello world');
  });

  it('understands errors, before and in the middle', async () => {
    door.inference.refusal = new GatewayError('model_not_found', 'no such model', { param: 'model' });
    await expect(client().chat.completions.create({ model: 'm', messages })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
    door.inference.refusal = undefined;
    door.inference.script = [[head, text('half')], new GatewayError('truncated', 'cut')];
    const stream = await client().chat.completions.create({ model: 'm', messages, stream: true });
    const read = async (): Promise<void> => {
      for await (const _chunk of stream);
    };
    await expect(read()).rejects.toThrow('cut');
  });

  it('cancels by leaving', async () => {
    door.inference.script = undefined;
    const pending = client().chat.completions.create({ model: 'm', messages, stream: true });
    await until(() => door.inference.generations[0]?.attached === true, 'a generation');
    const generation = door.inference.generations[0];
    generation?.push(head, text('a'));
    for await (const _chunk of await pending) break;
    await until(() => generation?.cancelled === true, 'the cancellation');
  });
});
