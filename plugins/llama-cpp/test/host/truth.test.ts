import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  alive,
  descendants,
  startHost,
  until,
  type HostProcess,
} from '../../../../scripts/testing/host-process.mjs';
import { describeWith } from '../../../../scripts/testing/with-runtime.mjs';

const endless = {
  model: 'demo-loop',
  messages: [{ role: 'user', content: 'go' }],
  stream: true,
  ignore_eos: true,
  max_tokens: 100_000,
};
const short = { model: 'demo', messages: [{ role: 'user', content: 'Hello' }] };

describeWith('llama-server', 'a real engine behind the host', (runtime) => {
  let host: HostProcess;

  const engine = () =>
    descendants(host.pid).find(({ commandLine }) => /llama-server .*demo-loop/.test(commandLine));
  const plugin = () =>
    descendants(host.pid).find(({ commandLine }) => /plugins\/llama-cpp\/dist\/main\.js/.test(commandLine));

  beforeEach(async () => {
    host = await startHost({
      plugins: {
        'llama-cpp': { config: { llamaServer: runtime.path, demo: true, slots: 1, contextLength: 100_000 } },
        ollama: { enabled: false },
      },
    });
    await host.hasModel('llama-cpp/demo-loop');
  }, 60_000);

  afterEach(async () => {
    await host.stop();
  }, 20_000);

  /** Begins an endless stream and returns it with what has been read of it so far. */
  async function begin(path = '/v1/chat/completions', init: RequestInit = {}) {
    const response = await host.post(path, endless, init);
    expect(response.status).toBe(200);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = '';
    const more = async (): Promise<boolean> => {
      const { value, done } = await reader.read();
      if (value !== undefined) text += decoder.decode(value, { stream: true });
      return !done;
    };
    while (!text.includes('"content":"')) await more();
    return {
      text: () => text,
      toEnd: async () => {
        while (await more());
        // The last words are what matters; a failure that prints all of it helps nobody.
        return text.slice(-1500);
      },
    };
  }

  const busySlots = async (): Promise<number> => {
    const { plugins } = (await (await fetch(`${host.url}/mcp/v1/plugins`)).json()) as any;
    return plugins[0].instances.reduce(
      (sum: number, one: any) => sum + (one.in_flight as number),
      0,
    ) as number;
  };

  it('says so when the engine is killed mid-stream, and works again', async () => {
    const stream = await begin();
    process.kill(engine()?.pid ?? 0, 'SIGKILL');
    const text = await stream.toEnd();
    expect(text).toMatch(
      /data: \{"error":\{"message":"[^"]+","type":"[^"]+","param":null,"code":"[^"]+"\}\}\n\n$/,
    );
    expect(text).not.toContain('[DONE]');
    expect(text).not.toMatch(/"finish_reason":"/);
    expect(text).not.toMatch(/"usage":\{/);
    const again = await until(
      async () => (await host.post('/v1/chat/completions', { ...endless, stream: false, max_tokens: 3 })).ok,
      'the next request works',
      5000,
    );
    expect(again).toBe(true);
  }, 40_000);

  it('says so when the plugin is killed mid-stream, and works again', async () => {
    const stream = await begin();
    process.kill(plugin()?.pid ?? 0, 'SIGKILL');
    const text = await stream.toEnd();
    expect(text).toMatch(/data: \{"error":\{[^\n]*"code":"plugin_unavailable"\}\}\n\n$/);
    expect(text).not.toContain('[DONE]');
    expect(text).not.toMatch(/"finish_reason":"/);
    await until(
      async () => (await host.post('/v1/chat/completions', short)).ok,
      'the next request works',
      5000,
    );
  }, 40_000);

  it('stops the engine when the client leaves mid-stream, and books the usage as partial', async () => {
    const leave = new AbortController();
    const stream = await begin('/v1/chat/completions', { signal: leave.signal });
    expect(await busySlots()).toBe(1);
    leave.abort();
    await until(async () => (await busySlots()) === 0, 'the slot is free', 1500);
    // One slot only: were the endless answer still running, this would wait for it.
    const next = await host.post('/v1/chat/completions', { ...endless, stream: false, max_tokens: 3 });
    expect(next.ok).toBe(true);
    const usage = await readResource(host, 'stats://usage');
    const cut = usage.recent.find((one: any) => one.outcome === 'cancelled');
    expect(cut).toMatchObject({ partial: true, model: 'llama-cpp/demo-loop' });
    expect(cut.output_tokens).toBeGreaterThan(0);
    expect(stream.text()).not.toContain('[DONE]');
  }, 40_000);

  it('gives up a request whose client leaves while it is queued or before its first token', async () => {
    const first = new AbortController();
    await begin('/v1/chat/completions', { signal: first.signal });
    const queued = new AbortController();
    const waiting = host
      .post('/v1/chat/completions', endless, { signal: queued.signal })
      .catch(() => undefined);
    await until(async () => (await busySlots()) === 2, 'the second one waits');
    queued.abort();
    await waiting;
    await until(async () => (await busySlots()) === 1, 'the queued one is given up', 1500);
    first.abort();
    await until(async () => (await busySlots()) === 0, 'the slot is free', 1500);
  }, 40_000);

  it('leaves nobody behind when it is killed', async () => {
    const stream = await begin();
    const family = descendants(host.pid).map(({ pid }) => pid);
    expect(family.length).toBeGreaterThanOrEqual(2);
    host.kill('SIGKILL');
    await host.exited;
    await stream.toEnd().catch(() => undefined);
    await until(() => family.every((pid) => !alive(pid)), 'plugin and engine are gone', 2000);
  }, 40_000);

  it('drains and exits with 0 on SIGINT, with a stream running', async () => {
    const stream = await begin();
    const family = descendants(host.pid).map(({ pid }) => pid);
    host.kill('SIGINT');
    const text = await stream.toEnd();
    const { code } = await host.exited;
    expect(code).toBe(0);
    expect(text).toContain('"error":{');
    expect(text).not.toContain('[DONE]');
    await until(() => family.every((pid) => !alive(pid)), 'plugin and engine are gone', 2000);
  }, 40_000);
});

async function readResource(host: HostProcess, uri: string): Promise<any> {
  const response = await host.post(
    '/mcp',
    {
      jsonrpc: '2.0',
      id: 1,
      method: 'resources/read',
      params: {
        uri,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    },
    {
      headers: {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'resources/read',
        'mcp-name': uri,
      },
    },
  );
  const { result } = (await response.json()) as any;
  return JSON.parse(result.contents[0].text as string);
}
