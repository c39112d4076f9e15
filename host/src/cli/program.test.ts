import { afterEach, beforeEach, describe, it, expect } from '@jest/globals';
import type { HostPort } from './host-port.js';
import { command, FakeHost } from './testing.js';

let host: FakeHost;
beforeEach(async () => {
  host = await new FakeHost().start();
});
afterEach(() => host[Symbol.asyncDispose]());

const chunk = (delta: object, finish_reason: string | null = null) => ({
  model: 'p/m',
  choices: [{ index: 0, delta, finish_reason }],
});

describe('chat', () => {
  it('streams an answer to a prompt', async () => {
    host.json('GET /mcp/v1/models', {
      models: [
        { id: 'p/embed', capabilities: { chat: false, embedding: true }, state: { phase: 'ready' } },
        { id: 'p/cold', state: { phase: 'unloaded' } },
        { id: 'p/m', capabilities: { chat: true }, state: { phase: 'ready' } },
      ],
    });
    host.events(
      'POST /v1/chat/completions',
      chunk({ role: 'assistant' }),
      chunk({ content: 'Hel' }),
      chunk({ content: 'lo' }),
      chunk({}, 'stop'),
      { choices: [], usage: { total_tokens: 3 } },
      '[DONE]',
    );
    expect(
      await command(['chat', 'hi', 'there', '--url', host.url, '--api-key', 'k', '-s', 'be brief']),
    ).toEqual({ code: 0, stdout: 'Hello\n', stderr: '' });
    const sent = host.requests.at(-1);
    expect(sent?.headers.authorization).toBe('Bearer k');
    expect(JSON.parse(sent?.body ?? '')).toMatchObject({
      model: 'p/m',
      stream: true,
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi there' },
      ],
    });
  });

  it('talks to the model that the plugin prefers, not to whichever was loaded last', async () => {
    const chat = { chat: true };
    host.json('GET /mcp/v1/models', {
      models: [
        { id: 'a/better', plugin: 'a', capabilities: chat, preferred: true },
        { id: 'p/good', plugin: 'p', capabilities: chat, preferred: true, state: { phase: 'unloaded' } },
        { id: 'p/loop', plugin: 'p', capabilities: chat, state: { phase: 'ready' } },
      ],
    });
    host.events('POST /v1/chat/completions', chunk({ content: 'x' }), chunk({}, 'stop'), '[DONE]');
    expect((await command(['chat', 'hi', '--url', host.url])).code).toBe(0);
    expect(JSON.parse(host.requests.at(-1)?.body ?? '')).toMatchObject({ model: 'p/good' });
  });

  it('reads the prompt from a pipe and prints JSON', async () => {
    host.events(
      'POST /v1/chat/completions',
      chunk({ content: 'yes' }),
      chunk({}, 'length'),
      { choices: [], usage: { total_tokens: 3 } },
      '[DONE]',
    );
    const { code, stdout } = await command(['chat', '--json', '-m', 'p/m', '--url', `${host.url}/v1/`], {
      input: 'from a pipe',
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      model: 'p/m',
      text: 'yes',
      finish_reason: 'length',
      usage: { total_tokens: 3 },
      tool_calls: [],
    });
    expect(host.requests.at(-1)?.body).toContain('from a pipe');
  });

  it.each<[string, (object | string)[], string]>([
    [
      'an error inside the stream',
      [chunk({ content: 'Hel' }), { error: { message: 'the engine died' } }],
      'the engine died',
    ],
    ['an end without [DONE]', [chunk({ content: 'Hel' })], 'broke off'],
    ['an end without a finish reason', [chunk({ content: 'Hel' }), '[DONE]'], 'broke off'],
    ['a finish reason without [DONE]', [chunk({ content: 'Hel' }), chunk({}, 'stop')], 'broke off'],
    ['rubbish', ['{'], 'not JSON'],
  ])('tells the truth about %s', async (_name, events, message) => {
    host.events('POST /v1/chat/completions', ...events);
    const { code, stderr } = await command(['chat', '-m', 'm', 'x', '--url', host.url]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it('passes refusals on', async () => {
    host.json(
      'POST /v1/chat/completions',
      { error: { message: 'no model "m"; near: n', type: 't', param: null, code: null } },
      404,
    );
    expect(await command(['chat', '-m', 'm', 'x', '--url', host.url])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no model "m"; near: n'),
    });
    expect((await command(['chat', '--url', host.url])).code).toBe(2);
    host.json('GET /mcp/v1/models', { models: [] }).json('GET /mcp/v1/plugins', { plugins: [] });
    expect((await command(['chat', 'x', '--url', host.url])).stderr).toContain('the host has no model');
  });
});

describe('models', () => {
  it('are listed as a table and as JSON', async () => {
    const models = [
      {
        id: 'p/m',
        plugin: 'p',
        state: { phase: 'ready' },
        capabilities: { chat: true, embedding: false },
        context_length: 4096,
        weights: { size_bytes: 1_234_567 },
      },
    ];
    host.json('GET /mcp/v1/models', { models });
    const table = await command(['models', '--url', host.url]);
    expect(table.stdout).toContain('p/m    p       ready  chat  4096     1.2 MB');
    const json = await command(['models', 'list', '--json', '--url', host.url]);
    expect(JSON.parse(json.stdout)).toEqual(models);
  });

  it('names from elsewhere cannot steer the terminal', async () => {
    host.json('GET /mcp/v1/models', { models: [{ id: 'a\u001b[2Jb\nc' }] });
    expect((await command(['models', '--url', host.url])).stdout).toContain('a [2Jb c');
  });

  it('are pulled with progress, loaded, unloaded and deleted', async () => {
    host.events(
      'POST /mcp/v1/models/pull',
      ['progress', { status: 'fetching', completed_bytes: 5, total_bytes: 10 }],
      ['done', { status: 'there', model: 'p/new' }],
    );
    host.events(
      'POST /mcp/v1/models/load',
      ['progress', { state: { phase: 'loading' } }],
      ['done', { state: { phase: 'ready' } }],
    );
    host.json('POST /mcp/v1/models/unload', { unloaded: true });
    host.json('DELETE /mcp/v1/models/p/new%20one', { deleted: true });
    expect(await command(['models', 'pull', 'hf:a/b/c', '--plugin', 'p', '--url', host.url])).toMatchObject({
      code: 0,
      stdout: 'p/new is there.\n',
    });
    expect(JSON.parse(host.requests.at(-1)?.body ?? '')).toEqual({
      source: 'hf:a/b/c',
      plugin: 'p',
      stream: true,
    });
    const lines = (await command(['models', 'pull', 'hf:a/b/c', '--json', '--url', host.url])).stdout
      .trim()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { event: 'progress', status: 'fetching' },
      { event: 'done', model: 'p/new' },
    ]);
    for (const verb of ['load', 'unload', 'delete']) {
      expect(await command(['models', verb, 'p/new one', '--url', host.url])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('p/new one is'),
      });
    }
  });

  it.each<[string, [string, object][], string]>([
    [
      'an error',
      [
        ['progress', {}],
        ['error', { title: 'x', detail: 'checksum differs' }],
      ],
      'checksum differs',
    ],
    ['an end without done', [['progress', {}]], 'before it was done'],
    ['nothing', [], 'before it was done'],
  ])('that cannot be pulled say why: %s', async (_name, events, message) => {
    host.events('POST /mcp/v1/models/pull', ...events);
    const { code, stderr } = await command(['models', 'pull', 'x', '--url', host.url]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});

describe('plugins', () => {
  it('are listed and shown, with near names', async () => {
    host.json('GET /mcp/v1/plugins', {
      plugins: [{ name: 'alpha', version: '1', state: 'active', capabilities: { chat: true } }],
    });
    expect((await command(['plugins', '--url', host.url])).stdout).toContain('alpha   1        active');
    expect((await command(['plugins', 'show', 'alpha', '--url', host.url])).stdout).toContain('chat: true');
    expect((await command(['plugins', 'show', 'alhpa', '--url', host.url])).stderr).toContain(
      'did you mean "alpha"?',
    );
  });
});

describe('the running host', () => {
  it('that is something else or asks for a key is named', async () => {
    host.json('GET /mcp/v1/info', { name: 'apache' });
    expect((await command(['models', '--url', host.url])).stderr).toContain('is no Outrigger host');
    host.json('GET /mcp/v1/info', { error: { message: 'no key' } }, 401);
    expect((await command(['models'], { env: { OUTRIGGER_URL: host.url } })).stderr).toContain(
      'asks for a key',
    );
  });

  it('is found where the configuration says', async () => {
    host.json('GET /mcp/v1/models', { models: [] });
    const port = new URL(host.url).port;
    expect(
      (await command(['models'], { env: { PORT: port, OUTRIGGER_AUTH__API_KEYS: 'from-config' } })).code,
    ).toBe(0);
    expect(host.requests.at(-1)?.headers.authorization).toBe('Bearer from-config');
    expect(
      (await command(['models'], { env: { GATEWAY_URL: `${host.url}/v1`, GATEWAY_API_KEY: 'from-env' } }))
        .code,
    ).toBe(0);
    expect(host.requests.at(-1)?.headers.authorization).toBe('Bearer from-env');
  });

  it('is started for one command when there is none, and ended', async () => {
    let looks = 0;
    host.json('GET /mcp/v1/models', { models: [] });
    host.on('GET /mcp/v1/plugins', (response) => {
      looks += 1;
      const plugins = [{ state: 'active' }, { state: ['starting', 'warming'][looks - 1] ?? 'backoff' }];
      response.end(JSON.stringify({ plugins }));
    });
    const calls: string[] = [];
    const own: HostPort = {
      address: { host: '', port: 0, url: host.url },
      start: () => Promise.resolve(void calls.push('start')),
      close: () => Promise.resolve(void calls.push('close')),
      listModels: () => Promise.resolve({ models: [] }),
    };
    const { code, stderr } = await command(['models', '--set', 'bundledPlugins=false'], {
      env: { PORT: '1' },
      loadHost: () =>
        Promise.resolve((config) => {
          calls.push(`${config.server.host}:${config.server.port} ${config.log.level}`);
          return Promise.resolve(own);
        }),
    });
    expect(stderr).toContain('No host is running');
    expect(looks).toBe(3);
    expect({ code, calls }).toEqual({ code: 0, calls: ['127.0.0.1:0 warn', 'start', 'close'] });
  });
});

describe('wrong use', () => {
  it.each<[string[], string]>([
    [['srve'], 'did you mean "serve"?'],
    [['--bogus'], "unknown option '--bogus'"],
    [['models', 'pull'], 'missing required argument'],
    [['client-config'], 'required option'],
    [['client-config', '--client', 'emacs'], 'Allowed choices'],
    [['chat', '-n', 'many', 'x'], 'whole number'],
    [['serve', '--port', 'many'], 'must be a number'],
    [['serve', '--set', 'x'], 'has no "="'],
    [['models', '--url', 'nonsense'], 'no address of a host'],
  ])('%j exits with 2', async (args, message) => {
    const { code, stdout, stderr } = await command(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('reports as JSON on demand', async () => {
    const { stderr } = await command(['--json', 'srve']);
    expect(JSON.parse(stderr)).toEqual({
      error: { message: 'there is no command "srve"', hint: 'did you mean "serve"?' },
    });
  });
});
