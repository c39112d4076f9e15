import { describe, it, expect, beforeEach, afterEach } from '@jest/globals';
import {
  Message,
  Modality,
  Part,
  Role,
  Sampling,
  ToolCall,
  Tool,
  ToolChoice,
  ToolChoice_Mode,
  Reasoning,
  Reasoning_Effort,
  UnsupportedPolicy,
  RequestContext,
  type GenerateEvent,
} from '@outrigger/proto';
import { collect, gate, type GenerateFields, type RuntimeRoutes } from '@outrigger/sdk-plugin/testing';
import { bench, chatLine, lastLine, lines, type Bench } from './fake-ollama.js';

let open: Bench | undefined;

async function start(more: RuntimeRoutes = {}, config: object = {}): Promise<Bench> {
  open = await bench(more, config);
  return open;
}

afterEach(async () => {
  await open?.[Symbol.asyncDispose]();
  open = undefined;
});

const ask = ({ plugin }: Bench, fields: GenerateFields = {}) =>
  collect(plugin.client.generate({ model: 'm', user: 'hi', ...fields }));

const bodyOf = (used: Bench, route = 'POST /api/chat'): Record<string, unknown> => {
  const [method, path] = route.split(' ');
  const found = used.ollama.exchanges
    .filter((exchange) => exchange.method === method && exchange.path === path)
    .at(-1);
  return found?.json() as Record<string, unknown>;
};

const failing = (policy = UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL) => ({
  context: RequestContext.create({ unsupported: policy }),
});

const message = (role: Role, ...kinds: Part['kind'][]): Message =>
  Message.create({ role, parts: kinds.map((kind) => Part.create({ kind })) });
const text = (value: string): Part['kind'] => ({ $case: 'text', value: { text: value } });

async function seen(
  stream: AsyncIterable<GenerateEvent>,
): Promise<{ text: string; error: unknown; ended: boolean }> {
  let said = '';
  let ended = false;
  try {
    for await (const { event } of stream) {
      if (event?.$case === 'delta' && event.value.kind?.$case === 'text') said += event.value.kind.value;
      if (event?.$case === 'end' || event?.$case === 'finish') ended = true;
    }
  } catch (error) {
    return { text: said, error, ended };
  }
  return { text: said, error: undefined, ended };
}

describe('a chat', () => {
  it('streams, and says what it cost', async () => {
    const answer = await ask(await start());
    expect(answer).toMatchObject({ text: 'Hello there', finish: 'STOP', rawFinish: 'stop' });
    expect(answer.head?.model).toBe('m');
    expect(answer.usage).toMatchObject({
      inputTokens: 7,
      outputTokens: 3,
      timings: { loadMs: 1.5, promptMs: 2, generationMs: 4 },
    });
  });

  it('comes whole when the caller reads it whole', async () => {
    const used = await start();
    const frames: number[] = [];
    for await (const frame of used.plugin.client.frames({ model: 'm', user: 'hi', unary: true })) {
      frames.push(frame.events.length);
    }
    expect(frames).toEqual([5]);
    expect(bodyOf(used)).toMatchObject({ stream: false });
    expect((await ask(used, { unary: true })).text).toBe('Hello there');
  });

  it('has unknown usage when Ollama leaves the counts out', async () => {
    const used = await start({
      'POST /api/chat': lines(chatLine('x'), { ...chatLine(''), done: true, done_reason: 'stop' }),
    });
    expect((await ask(used)).usage).toBeUndefined();
    used.ollama.route({ 'POST /api/chat': lines({ ...lastLine(), prompt_eval_count: undefined }) });
    const { usage } = await ask(used);
    expect(usage).toMatchObject({ outputTokens: 3 });
    expect(usage?.inputTokens).toBeUndefined();
  });

  it('keeps characters whole that come in two reads, with any end of line and none at the end', async () => {
    const bytes = Buffer.from(`${JSON.stringify(chatLine('für 日本 🙂'))}\r\n${JSON.stringify(lastLine())}`);
    const used = await start({
      'POST /api/chat': async (exchange) => {
        exchange.begin(200, { 'content-type': 'application/x-ndjson' });
        for (const byte of bytes) {
          exchange.write(Buffer.of(byte));
          if (byte > 0x7f) await new Promise((resolve) => setImmediate(resolve));
        }
        exchange.end();
      },
    });
    expect((await ask(used)).text).toBe('für 日本 🙂');
  });

  it('reasons in a part of its own', async () => {
    const thinking = (value: string): object => ({
      ...chatLine(''),
      message: { role: 'assistant', content: '', thinking: value },
    });
    const used = await start({
      'POST /api/chat': lines(thinking('Let me'), thinking(' see'), chatLine('Yes'), lastLine()),
    });
    const answer = await ask(used);
    expect(answer).toMatchObject({ reasoning: 'Let me see', text: 'Yes' });
    const parts = answer.events.flatMap(({ event }) => (event?.$case === 'delta' ? [event.value.part] : []));
    expect(parts).toEqual([0, 0, 1]);
  });

  it('passes tool calls on as the model wrote them', async () => {
    const line = `{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"id":"c1","function":{"index":0,"name":"f","arguments":{"2":1,"1":12345678901234567890}}},{"function":{"name":"g","arguments":{}}}]},"done":true,"done_reason":"stop"}\n`;
    const used = await start({
      'POST /api/chat': (exchange) => {
        exchange.write(line);
        exchange.end();
      },
    });
    const answer = await ask(used, {
      tools: [Tool.create({ name: 'f', parametersJson: '{"type":"object","properties":{"z":{},"a":{}}}' })],
    });
    expect(answer.finish).toBe('TOOL_CALLS');
    expect(answer.rawFinish).toBe('stop');
    expect(answer.toolCalls).toHaveLength(2);
    expect(answer.toolCalls[0]).toEqual({
      id: 'c1',
      name: 'f',
      argumentsJson: '{"2":1,"1":12345678901234567890}',
    });
    expect(answer.toolCalls[1]?.id).toMatch(/^call_/);
    expect(used.ollama.exchanges.at(-1)?.body).toContain(
      '"parameters":{"type":"object","properties":{"z":{},"a":{}}}',
    );
  });

  it('returns log probabilities with the bytes of each token', async () => {
    const logprobs = [
      { token: 'é', logprob: -0.5, bytes: [195, 169], top_logprobs: [{ token: 'e', logprob: -1 }] },
    ];
    const used = await start({ 'POST /api/chat': lines(chatLine('é', { logprobs }), lastLine()) });
    const answer = await ask(used, { sampling: Sampling.create({ topLogprobs: 1 }) });
    expect(answer.logprobs).toHaveLength(1);
    expect(answer.logprobs[0]).toMatchObject({
      token: 'é',
      logprob: -0.5,
      top: [{ token: 'e', logprob: -1 }],
    });
    expect([...(answer.logprobs[0]?.bytes ?? [])]).toEqual([195, 169]);
    expect(bodyOf(used)).toMatchObject({ logprobs: true, top_logprobs: 1 });
  });

  it.each([
    ['length', 3, { maxOutputTokens: 3 }, 'LENGTH'],
    ['length', 3, { maxOutputTokens: 100 }, 'CONTEXT_LENGTH'],
    ['length', 3, {}, 'LENGTH'],
    ['', 3, {}, 'UNSPECIFIED'],
    ['novel', 3, {}, 'OTHER'],
  ])('that ends with %j after %i tokens of %j is %s', async (done_reason, eval_count, sampling, finish) => {
    const used = await start({
      'POST /api/chat': lines(chatLine('x'), lastLine({ done_reason, eval_count })),
    });
    expect((await ask(used, { sampling: Sampling.create(sampling) })).finish).toBe(finish);
  });
});

describe('a completion', () => {
  it('is raw', async () => {
    const used = await start({
      'POST /api/generate': lines(
        { model: 'm', response: 'abc', done: false },
        { ...lastLine(), message: undefined, response: '' },
      ),
    });
    expect(await ask(used, { user: undefined as never, prompt: 'x', messages: [] })).toMatchObject({
      text: 'abc',
      finish: 'STOP',
    });
    expect(bodyOf(used, 'POST /api/generate')).toMatchObject({
      prompt: 'x',
      raw: true,
      truncate: false,
      shift: false,
    });
  });

  it('uses the template for filling a gap', async () => {
    const used = await start({
      'POST /api/generate': lines({ ...lastLine(), message: undefined, response: 'x' }),
    });
    await collect(used.plugin.client.generate({ model: 'm', prompt: 'a', suffix: 'b' }));
    const body = bodyOf(used, 'POST /api/generate');
    expect(body).toMatchObject({ suffix: 'b' });
    expect(body).not.toHaveProperty('raw');
  });

  it('refuses an empty prompt, which Ollama would take for a wish to load', async () => {
    const used = await start();
    await expect(collect(used.plugin.client.generate({ model: 'm', prompt: '' }))).rejects.toMatchObject({
      reason: 'INVALID_REQUEST',
    });
    expect(used.ollama.exchanges.filter(({ path }) => path === '/api/generate')).toEqual([]);
  });
});

describe('what goes to Ollama', () => {
  it('has every setting under its name, and no silent cut', async () => {
    const used = await start();
    await ask(used, {
      sampling: Sampling.create({
        temperature: 0.1,
        topP: 0.2,
        topK: 3,
        minP: 0.4,
        repetitionPenalty: 1.1,
        presencePenalty: 0.6,
        frequencyPenalty: 0.7,
        seed: 9007199254740993n,
        stop: ['a', 'b'],
        maxOutputTokens: 5,
      }),
      extensions: { num_ctx: '512', keep_alive: '"10m"', think: 'true', repeat_last_n: '64' },
    });
    const sent = used.ollama.exchanges.at(-1)?.body ?? '';
    expect(sent).toContain('"seed":9007199254740993');
    expect(bodyOf(used)).toMatchObject({
      model: 'm',
      stream: true,
      truncate: false,
      shift: false,
      think: true,
      keep_alive: '10m',
      options: {
        num_ctx: 512,
        repeat_last_n: 64,
        temperature: 0.1,
        top_p: 0.2,
        top_k: 3,
        min_p: 0.4,
        repeat_penalty: 1.1,
        presence_penalty: 0.6,
        frequency_penalty: 0.7,
        stop: ['a', 'b'],
        num_predict: 5,
      },
    });
  });

  it('leaves out what nobody asked for', async () => {
    const used = await start();
    await ask(used);
    expect(Object.keys(bodyOf(used)).sort()).toEqual([
      'messages',
      'model',
      'options',
      'shift',
      'stream',
      'truncate',
    ]);
    expect(bodyOf(used)).toMatchObject({ options: {} });
  });

  it('keeps the order of a schema', async () => {
    const schemaJson = '{"type":"object","properties":{"10":{},"9":{},"b":{},"a":{}}}';
    const used = await start();
    await ask(used, {
      outputFormat: { kind: { $case: 'jsonSchema', value: { name: 's', schemaJson, strict: true } } },
    });
    expect(used.ollama.exchanges.at(-1)?.body).toContain(`"format":${schemaJson}`);
    await ask(used, { outputFormat: { kind: { $case: 'json', value: {} } } });
    expect(bodyOf(used)).toMatchObject({ format: 'json' });
  });

  it('has messages as Ollama knows them', async () => {
    const used = await start();
    await collect(
      used.plugin.client.generate({
        model: 'm',
        messages: [
          message(Role.ROLE_DEVELOPER, text('be'), text(' brief')),
          message(
            Role.ROLE_USER,
            text('look'),
            {
              $case: 'media',
              value: {
                modality: Modality.MODALITY_IMAGE,
                mimeType: 'image/png',
                source: { $case: 'data', value: Buffer.from([1, 2, 3]) },
                detail: '',
                filename: '',
              },
            },
            {
              $case: 'media',
              value: {
                modality: Modality.MODALITY_IMAGE,
                mimeType: '',
                source: { $case: 'url', value: 'data:image/png;base64,QUJD' },
                detail: 'auto',
                filename: '',
              },
            },
          ),
          message(
            Role.ROLE_ASSISTANT,
            { $case: 'reasoning', value: { text: 'hm', encrypted: Buffer.alloc(0), summary: false } },
            text('I call'),
            {
              $case: 'toolCall',
              value: ToolCall.create({ id: 'c1', name: 'f', argumentsJson: '{"b":1,"a":2}' }),
            },
            { $case: 'toolCall', value: ToolCall.create({ id: 'made-up', name: 'g', idSynthesised: true }) },
          ),
          message(Role.ROLE_TOOL, {
            $case: 'toolResult',
            value: { toolCallId: 'c1', name: '', parts: [Part.create({ kind: text('42') })], isError: false },
          }),
        ],
      }),
    );
    expect(bodyOf(used)['messages']).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'look', images: ['AQID', 'QUJD'] },
      {
        role: 'assistant',
        content: 'I call',
        thinking: 'hm',
        tool_calls: [
          { id: 'c1', function: { index: 0, name: 'f', arguments: { b: 1, a: 2 } } },
          { function: { index: 1, name: 'g', arguments: {} } },
        ],
      },
      { role: 'tool', content: '42', tool_name: 'f', tool_call_id: 'c1' },
    ]);
  });

  it('carries the key', async () => {
    const used = await start({}, { apiKey: 'secret-key' });
    await ask(used);
    expect(used.ollama.exchanges.at(-1)?.headers['authorization']).toBe('Bearer secret-key');
  });
});

describe('a request that is wrong', () => {
  beforeEach(() => start());
  const image = (
    source: NonNullable<Extract<Part['kind'], { $case: 'media' }>['value']['source']>,
  ): GenerateFields => ({
    user: undefined as never,
    messages: [
      message(Role.ROLE_USER, text('x')),
      message(Role.ROLE_USER, {
        $case: 'media',
        value: { modality: Modality.MODALITY_IMAGE, mimeType: '', source, detail: '', filename: '' },
      }),
    ],
  });
  it.each<[string, GenerateFields, RegExp]>([
    [
      'arguments that are no JSON',
      {
        messages: [
          message(Role.ROLE_ASSISTANT, {
            $case: 'toolCall',
            value: ToolCall.create({ id: 'c', name: 'f', argumentsJson: '{"a":' }),
          }),
        ],
      },
      /messages\[0\]\.parts\[0\].*"f" are not a JSON object/,
    ],
    [
      'arguments that are a list',
      {
        messages: [
          message(Role.ROLE_ASSISTANT, {
            $case: 'toolCall',
            value: ToolCall.create({ id: 'c', name: 'f', argumentsJson: '[]' }),
          }),
        ],
      },
      /not a JSON object/,
    ],
    [
      'a picture by address',
      image({ $case: 'url', value: 'https://example.org/a.png' }),
      /messages\[1\]\.parts\[0\].*data:image\/png;base64/,
    ],
    ['a broken data URL', image({ $case: 'url', value: 'data:image/png;base64,§' }), /not valid base64/],
    ['an uploaded picture', image({ $case: 'fileId', value: 'file-1' }), /no uploaded files/],
    ['no messages', { user: undefined as never, messages: [] }, /messages/],
    ['no model', { model: '' }, /model: is missing/],
    ['too many alternatives', { sampling: Sampling.create({ topLogprobs: 21 }) }, /top_logprobs/],
    ['a number that is none', { sampling: Sampling.create({ temperature: Number.NaN }) }, /temperature/],
    [
      'a schema that is no object',
      { outputFormat: { kind: { $case: 'jsonSchema', value: { name: '', schemaJson: '"x"' } } } },
      /schema/,
    ],
    [
      'a tool whose schema is broken',
      { tools: [Tool.create({ name: 't', parametersJson: '{' })] },
      /tools\[0\]/,
    ],
    ['an option of the wrong type', { extensions: { num_ctx: '"many"' } }, /num_ctx/],
    ['an extension that breaks out', { extensions: { num_ctx: '1},"model":{"x":1' } }, /num_ctx/],
  ])('%s', async (_name, fields, expected) => {
    const used = open;
    if (used === undefined) throw new Error('not started');
    const base: GenerateFields = fields.messages === undefined ? { user: 'hi' } : {};
    const request = collect(used.plugin.client.generate({ model: 'm', ...base, ...fields }));
    await expect(request).rejects.toMatchObject({
      reason: 'INVALID_REQUEST',
      message: expect.stringMatching(expected),
    });
    expect(used.ollama.exchanges.filter(({ method }) => method === 'POST')).toEqual([]);
  });
});

describe('what Ollama cannot do', () => {
  const tools = [Tool.create({ name: 'f' }), Tool.create({ name: 'g' })];
  it.each<[string, GenerateFields, string]>([
    ['several answers', { sampling: Sampling.create({ candidates: 2 }) }, 'n'],
    ['logit bias', { sampling: Sampling.create({ logitBias: { 1: 2 } }) }, 'logit_bias'],
    ['typical_p', { sampling: Sampling.create({ typicalP: 0.5 }) }, 'typical_p'],
    [
      'required tools',
      { tools, toolChoice: ToolChoice.create({ mode: ToolChoice_Mode.MODE_REQUIRED }) },
      'tool_choice',
    ],
    [
      'one call at a time',
      { tools, toolChoice: ToolChoice.create({ parallel: false }) },
      'parallel_tool_calls',
    ],
    [
      'a budget for reasoning',
      { reasoning: Reasoning.create({ budgetTokens: 5 }) },
      'reasoning.budget_tokens',
    ],
    ['an end user', { endUser: 'u' }, 'user'],
    ['an unknown extension', { extensions: { mirostat: '1' } }, 'mirostat'],
  ])('%s: warned of, or refused', async (_name, fields, field) => {
    const used = await start();
    const answer = await ask(used, fields);
    expect(answer.text).toBe('Hello there');
    expect(answer.warnings).toEqual([expect.objectContaining({ code: 'unsupported_parameter', field })]);
    const before = used.ollama.exchanges.length;
    await expect(ask(used, { ...fields, ...failing() })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_PARAMETER',
      message: expect.stringContaining(field),
    });
    expect(used.ollama.exchanges.length).toBe(before);
  });

  it('sends no tools when none may be called, and only the named one', async () => {
    const used = await start();
    await ask(used, { tools, toolChoice: ToolChoice.create({ mode: ToolChoice_Mode.MODE_NONE }) });
    expect(bodyOf(used)).not.toHaveProperty('tools');
    await ask(used, {
      tools,
      toolChoice: ToolChoice.create({ mode: ToolChoice_Mode.MODE_TOOL, names: ['g'] }),
    });
    expect(bodyOf(used)['tools']).toEqual([
      expect.objectContaining({ function: expect.objectContaining({ name: 'g' }) }),
    ]);
  });

  const effort = (value: Reasoning_Effort): GenerateFields => ({
    reasoning: Reasoning.create({ effort: value }),
  });
  const showing = (show: object): RuntimeRoutes => ({
    'POST /api/show': (exchange) => exchange.reply(200, show),
  });

  it('asks for reasoning as far as the model can', async () => {
    const used = await start(showing({ capabilities: ['completion', 'thinking'] }));
    await ask(used, effort(Reasoning_Effort.EFFORT_HIGH));
    expect(bodyOf(used)).toMatchObject({ think: 'high' });
    const answer = await ask(used, effort(Reasoning_Effort.EFFORT_XHIGH));
    expect(bodyOf(used)).toMatchObject({ think: 'high' });
    expect(answer.warnings).toEqual([expect.objectContaining({ code: 'parameter_adjusted' })]);
    await ask(used, effort(Reasoning_Effort.EFFORT_NONE));
    expect(bodyOf(used)).toMatchObject({ think: false });
    // The model was looked at once.
    expect(used.ollama.exchanges.filter(({ path }) => path === '/api/show')).toHaveLength(1);
  });

  it('does not ask a model to reason that cannot', async () => {
    const used = await start(showing({ capabilities: ['completion'] }));
    const answer = await ask(used, effort(Reasoning_Effort.EFFORT_LOW));
    expect(bodyOf(used)).not.toHaveProperty('think');
    expect(answer.warnings).toEqual([expect.objectContaining({ field: 'reasoning_effort' })]);
  });

  it('uses the levels that a model names', async () => {
    const used = await start(
      showing({ capabilities: ['thinking'], thinking: { values: [true, false], default: true } }),
    );
    await ask(used, effort(Reasoning_Effort.EFFORT_HIGH));
    expect(bodyOf(used)).toMatchObject({ think: true });
  });
});

describe('an answer that goes wrong', () => {
  it('in the middle: what came before is there, and then the error', async () => {
    const error = 'an error was encountered while running the model: unexpected EOF';
    const used = await start({ 'POST /api/chat': lines(chatLine('one'), chatLine(' two'), { error }) });
    const result = await seen(used.plugin.client.generate({ model: 'm', user: 'hi' }));
    expect(result).toMatchObject({ text: 'one two', ended: false });
    expect(result.error).toMatchObject({
      reason: 'UPSTREAM_ERROR',
      message: expect.stringContaining('unexpected EOF'),
    });
  });

  it('by ending without its last line, cleanly, in half a line, or by a crash', async () => {
    const used = await start({ 'POST /api/chat': lines(chatLine('one')) });
    expect(await seen(used.plugin.client.generate({ model: 'm', user: 'hi' }))).toMatchObject({
      text: 'one',
      ended: false,
      error: { reason: 'TRUNCATED' },
    });
    used.ollama.route({
      'POST /api/chat': (exchange) => {
        exchange.ndjson(chatLine('one'));
        exchange.write('{"model":"m","mess');
        exchange.end();
      },
    });
    expect(await seen(used.plugin.client.generate({ model: 'm', user: 'hi' }))).toMatchObject({
      ended: false,
      error: { reason: 'UPSTREAM_ERROR' },
    });
    const reached = gate();
    used.ollama.route({
      'POST /api/chat': async (exchange) => {
        exchange.ndjson(chatLine('one'));
        await reached.opened;
        exchange.cut();
      },
    });
    const stream = used.plugin.client.generate({ model: 'm', user: 'hi' });
    await stream.next();
    reached.open();
    expect(await seen(stream)).toMatchObject({ ended: false, error: { reason: 'TRUNCATED' } });
    expect(await ask(used, { unary: true }).catch((error: unknown) => error)).toMatchObject({
      reason: 'TRUNCATED',
    });
  });

  it.each([
    [404, { error: "model 'm' not found" }, 'MODEL_NOT_FOUND'],
    [503, { error: 'server busy, please try again.  maximum pending requests exceeded' }, 'QUEUE_FULL'],
    [401, { error: 'unauthorized', signin_url: 'https://example.org' }, 'UPSTREAM_UNAUTHENTICATED'],
    [500, { error: 'boom' }, 'UPSTREAM_ERROR'],
    [
      400,
      {
        error: JSON.stringify({
          error: {
            code: 400,
            message: 'request (9 tokens) exceeds the available context size (4 tokens)',
            type: 'exceed_context_size_error',
          },
        }),
      },
      'CONTEXT_LENGTH_EXCEEDED',
    ],
  ])('with status %i', async (status, body, reason) => {
    const used = await start({ 'POST /api/chat': (exchange) => exchange.reply(status, body) });
    for (const unary of [false, true]) await expect(ask(used, { unary })).rejects.toMatchObject({ reason });
    used.ollama.route({ 'POST /api/chat': lines(chatLine('fine'), lastLine()) });
    expect((await ask(used)).text).toBe('fine');
  });

  it('because it is no Ollama that answers', async () => {
    const used = await start({
      'POST /api/chat': (exchange) => {
        exchange.begin(200, { 'content-type': 'text/html' });
        exchange.write('<html>hello</html>\n');
        exchange.end();
      },
    });
    await expect(ask(used)).rejects.toMatchObject({
      reason: 'UPSTREAM_ERROR',
      message: expect.stringContaining('is that address Ollama?'),
    });
  });

  it('by falling silent', async () => {
    const hang = gate();
    const used = await start({ 'POST /api/chat': () => hang.opened }, { firstByteTimeoutMs: 50 });
    await expect(ask(used)).rejects.toMatchObject({ reason: 'UPSTREAM_TIMEOUT' });
    hang.open();
  });

  it('because nobody listens', async () => {
    const used = await start();
    await used.ollama.close();
    await expect(ask(used)).rejects.toMatchObject({
      reason: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(/ollama serve/),
    });
  });
});

describe('a caller who leaves', () => {
  it.each(['before the first token', 'in the middle'])('%s: Ollama is left too', async (moment) => {
    const used = await start({
      'POST /api/chat': async (exchange) => {
        if (moment === 'in the middle') exchange.ndjson(chatLine('one'));
        await exchange.closed;
      },
    });
    const controller = new AbortController();
    const stream = seen(
      used.plugin.client.generate({ model: 'm', user: 'hi' }, { signal: controller.signal }),
    );
    const exchange = await used.ollama.arrival('POST /api/chat');
    controller.abort();
    await exchange.closed;
    expect(exchange.left).toBe(true);
    expect((await stream).ended).toBe(false);
    used.ollama.route({ 'POST /api/chat': lines(chatLine('next'), lastLine()) });
    expect((await ask(used)).text).toBe('next');
  });
});
