import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FinishReason } from '@outrigger/proto';
import { GatewayError } from '../../errors/gateway-error.js';
import { answer, delta, finish, head, text } from '../testing/scripted-inference.js';
import { openTestDoor, type TestDoor } from '../testing/test-door.js';

const chat = '/mcp/v1/chat';
const messages = [{ role: 'user', content: 'hi' }];

let door: TestDoor;
beforeEach(async () => {
  door = await openTestDoor();
});
afterEach(() => door.door.close(0));

/** The named events of a stream, with their data. */
function events(stream: string): [string, Record<string, unknown>][] {
  return stream
    .trimEnd()
    .split('\n\n')
    .map((one) => {
      const [name = '', data = ''] = one.split('\n');
      return [name.slice(7), JSON.parse(data.slice(6)) as Record<string, unknown>];
    });
}

describe('a chat request', () => {
  it('is answered at once', async () => {
    const reply = await door.post(chat, { model: 'm', messages }, { 'x-request-id': 'r1' });
    expect(reply.json()).toEqual({
      id: 'r1',
      model: 'demo/org/model:q4',
      plugin: 'demo@1.2.3',
      text: 'Hello world',
      message: { role: 'assistant', parts: [{ type: 'text', text: 'Hello world' }] },
      finish_reason: 'stop',
      usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
      warnings: [],
      ignored_params: [],
    });
  });

  it('is answered with everything the model produced', async () => {
    const call = { id: 'c', name: 'look', argumentsJson: '{}', idSynthesised: false };
    door.inference.script = [
      [
        head,
        delta({ $case: 'reasoning', value: 'hm' }, { part: 0 }),
        delta({ $case: 'signature', value: Buffer.from('s') }, { part: 0 }),
        delta({ $case: 'toolCall', value: call }, { part: 1 }),
        finish(FinishReason.FINISH_REASON_PAUSED, 0, 'pause_turn'),
        text('b', { candidate: 1 }),
      ],
    ];
    const body = (await door.post(chat, { messages, n: 2 })).json();
    expect(body).toMatchObject({
      message: {
        parts: [
          { type: 'reasoning', text: 'hm', signature: 'cw==' },
          { type: 'tool_call', id: 'c', name: 'look', arguments: '{}' },
        ],
      },
      finish_reason: 'length',
      finish_detail: { reason: 'paused', raw: 'pause_turn' },
      usage: null,
      candidates: [{ index: 0 }, { index: 1, text: 'b' }],
    });
  });

  it('is answered with named events', async () => {
    const { text: got, headers } = await door.post(chat, { messages, stream: true });
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(events(got)).toEqual([
      ['delta', { candidate: 0, part: 0, type: 'text', text: 'Hello' }],
      ['delta', { candidate: 0, part: 0, type: 'text', text: ' world' }],
      ['finish', { candidate: 0, finish_reason: 'stop' }],
      ['usage', { input_tokens: 5, output_tokens: 2, total_tokens: 7 }],
      ['done', expect.objectContaining({ plugin: 'demo@1.2.3', ignored_params: [] })],
    ]);
  });

  it('that is cut ends with an error and neither finish nor done', async () => {
    door.inference.script = [[head, text('half'), finish()], new GatewayError('truncated', 'cut')];
    const { text: got } = await door.post(chat, { messages, stream: true });
    expect(events(got).map(([name]) => name)).toEqual(['delta', 'error']);
    expect(events(got)[1]?.[1]).toMatchObject({ kind: 'truncated', status: 502, detail: 'cut' });
  });

  it('may have a prompt, a system text and gathered parameters', async () => {
    await door.post(chat, { prompt: 'once', parameters: { temperature: 0.5, top_k: 3 } });
    await door.post(chat, { system: 'be kind', messages });
    const [first, second] = door.inference.calls;
    expect(first?.call.request).toMatchObject({ prompt: 'once', sampling: { temperature: 0.5, topK: 3 } });
    expect([...(first?.call.parameters.keys() ?? [])]).toEqual(['temperature', 'top_k']);
    expect(second?.call.request.messages).toHaveLength(2);
    expect([...(second?.call.parameters.keys() ?? [])]).toEqual([]);
  });

  it.each<[object, string]>([
    [{ messages, prompt: 'p' }, 'prompt'],
    [{ prompt: 'p', system: 's' }, 'system'],
    [{ messages, system: 5 }, 'system'],
    [{ messages, parameters: [] }, 'parameters'],
    [{ messages, temperature: 1, parameters: { temperature: 1 } }, 'parameters.temperature'],
    [{ messages, parameters: { model: 'x' } }, 'parameters.model'],
    [{}, 'messages'],
  ])('like %j is refused', async (body, param) => {
    const reply = await door.post(chat, body);
    expect(reply.status).toBe(400);
    expect(reply.json()).toMatchObject({
      kind: 'invalid_request',
      param,
      type: 'urn:outrigger:error:invalid_request',
    });
  });

  it('that is refused says when to try again', async () => {
    door.inference.refusal = new GatewayError('queue_full', 'busy', { retryAfterMs: 2500 });
    const reply = await door.post(chat, { messages }, { 'x-request-id': 'r2' });
    expect(reply.headers['retry-after']).toBe('3');
    expect(reply.json()).toMatchObject({ status: 503, instance: 'r2', retry_after: 2.5, retryable: true });
  });
});

it('both doors make the same call of the same request', async () => {
  const request = {
    model: 'm',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    temperature: 0.3,
    max_tokens: 5,
    stop: ['a'],
    grammar: 'x',
    tools: [{ type: 'function', function: { name: 'look' } }],
    response_format: { type: 'json_object' },
  };
  await door.post('/v1/chat/completions', request);
  await door.post(chat, request);
  const [openai, rest] = door.inference.calls;
  expect(rest?.call).toEqual(openai?.call);
});

describe('embeddings', () => {
  it('are numbers or base64', async () => {
    const body = (await door.post('/mcp/v1/embed', { input: 'a' })).json();
    expect(body).toMatchObject({
      embeddings: [[0, 0.5, -1]],
      usage: { input_tokens: 7 },
      plugin: 'demo@1.2.3',
    });
    const coded = (await door.post('/mcp/v1/embed', { input: 'a', encoding_format: 'base64' })).json();
    expect(coded['embeddings']).toEqual([expect.any(String)]);
  });
});

describe('the address with the model in it', () => {
  it('takes slashes as they are and encoded', async () => {
    for (const path of ['/mcp/v1/demo/org/model:q4/chat', '/mcp/v1/demo/org%2Fmodel:q4/chat']) {
      expect((await door.post(path, { messages })).status).toBe(200);
    }
    expect((await door.post('/mcp/v1/demo/e/embed', { input: 'a' })).status).toBe(200);
    expect(door.inference.calls.map(({ call }) => call.model)).toEqual([
      'demo/org/model:q4',
      'demo/org/model:q4',
    ]);
    expect(door.inference.embedCalls[0]?.call.model).toBe('demo/e');
  });

  it('refuses other operations and a second model', async () => {
    expect((await door.post('/mcp/v1/demo/m/dance', {})).status).toBe(404);
    expect((await door.post('/mcp/v1/demo/m/chat', { model: 'x', messages })).json()).toMatchObject({
      param: 'model',
    });
  });
});

describe('models', () => {
  it('are listed, shown and deleted', async () => {
    expect((await door.send('GET', '/mcp/v1/models')).json()['models']).toHaveLength(1);
    expect((await door.send('GET', '/mcp/v1/models/demo/org/model:q4')).json()).toMatchObject({
      id: 'demo/org/model:q4',
      created: '2023-11-14T22:13:20.000Z',
    });
    expect((await door.send('GET', '/mcp/v1/models/none')).json()).toMatchObject({
      kind: 'model_not_found',
      status: 404,
    });
    expect((await door.send('DELETE', '/mcp/v1/models/demo%2Fm')).json()).toEqual({
      model: 'demo/m',
      deleted: true,
    });
  });

  it('are loaded and unloaded', async () => {
    expect((await door.post('/mcp/v1/models/load', { model: 'm' })).json()).toEqual({
      state: { phase: 'ready' },
      fraction: 1,
    });
    const streamed = await door.post('/mcp/v1/models/load', { model: 'm', stream: true });
    expect(events(streamed.text).map(([name]) => name)).toEqual(['progress', 'progress', 'done']);
    expect((await door.post('/mcp/v1/models/unload', { model: 'm' })).json()).toEqual({
      model: 'm',
      unloaded: true,
    });
    expect((await door.post('/mcp/v1/models/load', { model: 'm', wrong: 1 })).status).toBe(400);
  });

  it('are fetched with progress, and a failure is told', async () => {
    const pulled = await door.post('/mcp/v1/models/pull', { source: 's' });
    expect(events(pulled.text).at(-1)).toEqual([
      'done',
      { status: 'done', model: 'new', total_bytes: 10, completed_bytes: 10 },
    ]);
    const broken = await door.post('/mcp/v1/models/pull', { source: 'broken' });
    expect(events(broken.text).map(([name]) => name)).toEqual(['progress', 'error']);
    const whole = await door.post('/mcp/v1/models/pull', { source: 'broken', stream: false });
    expect(whole).toMatchObject({ status: 503 });
  });
});

it('the host tells about itself', async () => {
  expect((await door.send('GET', '/mcp/v1/info')).json()).toEqual({
    name: 'outrigger',
    version: '0.1.0',
    uptime_ms: 12,
    plugins: [{ name: 'demo', version: '1.2.3', state: 'active', instance_id: 'i1' }],
  });
  expect((await door.send('GET', '/mcp/v1/plugins')).json()).toEqual({
    plugins: [
      {
        name: 'demo',
        display_name: 'Demo',
        version: '1.2.3',
        runtime: 'script',
        state: 'active',
        reason: '',
        origin: 'spawn',
        restarts: 0,
        queued: 0,
        operations: ['chat', 'count_tokens'],
        services: ['outrigger.plugin.v1.Inference'],
        tools: [],
        warnings: [],
        instances: [
          {
            instance_id: 'i1',
            version: '1.2.3',
            state: 'active',
            reason: '',
            address: 'unix:/run/demo.sock',
            serving: true,
            in_flight: 0,
            served: 3,
            failed: 1,
            startup: { spawn_ms: 3.5, total_ms: 300 },
            first_token_p50_ms: 4.5,
            first_token_p99_ms: 9,
            since: 1_700_000_000_000,
          },
        ],
      },
    ],
  });
});

it('a warning reaches the caller at once and as a stream', async () => {
  const value = { code: 'context_truncated', field: '', message: 'cut' };
  door.inference.script = [[head, { event: { $case: 'warning', value } }, ...answer('x')]];
  const shown = [{ code: 'context_truncated', message: 'cut' }];
  expect((await door.post(chat, { messages })).json()).toMatchObject({ warnings: shown });
  const streamed = await door.post(chat, { messages, stream: true });
  expect(events(streamed.text).at(-1)?.[1]).toMatchObject({ warnings: shown });
});
