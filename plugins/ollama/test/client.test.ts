import { describe, it, expect, afterEach } from '@jest/globals';
import { fakeRuntime, gate, type FakeRuntime } from '@outrigger/sdk-plugin/testing';
import { configSchema } from '../src/config.js';
import { OllamaClient } from '../src/ollama-client.js';

let runtime: FakeRuntime | undefined;
let client: OllamaClient | undefined;

afterEach(async () => {
  await client?.destroy();
  await runtime?.close();
});

const start = async (config: object, answer: Parameters<typeof fakeRuntime>[0]): Promise<OllamaClient> => {
  runtime = await fakeRuntime(answer);
  client = new OllamaClient(configSchema({}).parse({ baseUrl: runtime.url, ...config }));
  return client;
};

const never = new AbortController().signal;

describe('OllamaClient', () => {
  it('never sends a request whose caller left while it waited for a connection', async () => {
    const hang = gate();
    const used = await start(
      { connections: 1, maxQueued: 1 },
      {
        'POST /first': async (exchange) => {
          await hang.opened;
          exchange.reply(200, {});
        },
        '*': (exchange) => exchange.reply(200, {}),
      },
    );
    const first = used.text({ path: '/first', signal: never });
    await runtime?.arrival('POST /first');
    const controller = new AbortController();
    const second = used.text({ path: '/second', signal: controller.signal });
    await expect(used.text({ path: '/third', signal: never })).rejects.toMatchObject({
      reason: 'QUEUE_FULL',
    });
    controller.abort();
    await expect(second).rejects.toThrow(/abort/i);
    hang.open();
    await first;
    expect(await used.text({ path: '/fourth', signal: never })).toBe('{}');
    expect(runtime?.exchanges.map(({ path }) => path)).toEqual(['/first', '/fourth']);
    expect(used.active).toBe(0);
  });

  it('does not even begin for a caller who has left already', async () => {
    const used = await start({}, { '*': (exchange) => exchange.reply(200, {}) });
    await expect(used.text({ path: '/x', signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    await used.text({ path: '/y', signal: never });
    expect(runtime?.exchanges.map(({ path }) => path)).toEqual(['/y']);
    expect(used.active).toBe(0);
  });

  it('ends for a call that is aborted, and not after it was released', async () => {
    const hang = gate();
    const used = await start(
      { connections: 1 },
      {
        'POST /hangs': async (exchange) => {
          await hang.opened;
          exchange.reply(200, {});
        },
        '*': (exchange) => exchange.reply(200, {}),
      },
    );
    const listeners: ((reason: Error) => void)[] = [];
    const call = { onAbort: (listener: (reason: Error) => void) => void listeners.push(listener) };
    const hanging = used.text({ path: '/hangs', signal: call });
    await runtime?.arrival('POST /hangs');
    for (const abort of listeners.splice(0)) abort(new Error('the caller has left'));
    await expect(hanging).rejects.toThrow('the caller has left');
    hang.open();
    const lines = used.lines({ path: '/released', signal: call });
    expect(await lines.next()).toEqual(['{}']);
    lines.release();
    for (const abort of listeners.splice(0)) abort(new Error('the caller has left'));
    expect(await lines.next()).toBeUndefined();
    expect(used.active).toBe(0);
  });

  it('keeps the path of its address', async () => {
    const used = await start({}, { '*': (exchange) => exchange.reply(200, {}) });
    const below = new OllamaClient(configSchema({}).parse({ baseUrl: `${used.baseUrl}/below/` }));
    await below.text({ method: 'GET', path: '/api/tags', signal: never });
    await below.destroy();
    expect(runtime?.exchanges[0]?.path).toBe('/below/api/tags');
  });

  it('loses nothing when more comes at once than it holds', async () => {
    const line = `${JSON.stringify({ text: 'x'.repeat(64 * 1024) })}\n`;
    let written = 0;
    const used = await start(
      {},
      {
        'POST /flood': async (exchange) => {
          for (let count = 0; count < 400 && !exchange.left; count += 1) {
            exchange.write(line);
            written += 1;
            await new Promise((resolve) => setImmediate(resolve));
          }
          exchange.end();
        },
      },
    );
    const stream = used.lines({ path: '/flood', signal: never });
    let count = (await stream.next())?.length ?? 0;
    for (let some = await stream.next(); some !== undefined; some = await stream.next()) count += some.length;
    expect(count).toBe(written);
    expect(count).toBe(400);
  });
});
