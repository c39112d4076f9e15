import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { startHost, until } from '../../scripts/testing/host-process.mjs';

const plugin = fileURLToPath(new URL('./fixtures/flood-plugin.mjs', import.meta.url));

let host: Awaited<ReturnType<typeof startHost>>;
let sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await host.stop();
});

async function start(config: object, plugins: object): Promise<void> {
  host = await startHost({ bundledPlugins: false, plugins, ...config });
  await host.hasModel('flood/m');
}

/** Begins a stream that nobody reads. */
function leaveUnread(count: number, headers = ''): void {
  const { port } = new URL(host.url);
  const body = JSON.stringify({ model: 'flood/m', prompt: 'flood', stream: true });
  for (let opened = 0; opened < count; opened++) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n${headers}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    sockets.push(socket);
  }
}

const ask = (headers: Record<string, string> = {}) =>
  host.post('/v1/completions', { model: 'flood/m', prompt: 'x' }, { headers });

async function inFlight(headers: Record<string, string> = {}): Promise<number> {
  const { plugins } = (await (await fetch(`${host.url}/mcp/v1/plugins`, { headers })).json()) as {
    plugins: { instances: { in_flight: number }[] }[];
  };
  return plugins.flatMap(({ instances }) => instances).reduce((sum, one) => sum + one.in_flight, 0);
}

async function stalled(): Promise<number> {
  const text = await (await fetch(`${host.url}/metrics`)).text();
  return Number(/^outrigger_http_streams_stalled (\d+)$/m.exec(text)?.[1]);
}

/** Each takes some megabytes of the kernel's memory until it is held back: loopback has large segments. */
const streams = 24;

const flood = (limits: object, env: Record<string, string> = {}) => ({
  flood: { command: [process.execPath, plugin], env, limits },
});

describe('streams that nobody reads', () => {
  it('make room for a request that waits for an instance', async () => {
    await start({ server: { port: 0, stallTimeoutMs: 1000 } }, flood({ maxInFlight: streams }));
    leaveUnread(streams);
    await until(async () => (await stalled()) === streams, 'nobody reads any of them', 90_000);
    const { status } = await ask();
    expect(status).toBe(200);
    // Only as many as were needed.
    expect(await inFlight()).toBeGreaterThan(streams / 2);
  }, 150_000);

  it('make room for a request that waits inside the plugin', async () => {
    await start({ server: { port: 0, stallTimeoutMs: 1000 } }, flood({}, { WORKERS: '8' }));
    leaveUnread(8);
    await until(async () => (await inFlight()) === 8, 'all are being served');
    expect((await ask()).status).toBe(200);
  }, 60_000);

  it('make room when the host has no other', async () => {
    await start({ server: { port: 0, stallTimeoutMs: 500, maxInFlight: 8 } }, flood({}));
    leaveUnread(8);
    await until(async () => (await inFlight()) === 8, 'all are being served');
    await until(async () => (await ask()).status === 200, 'a place');
  }, 60_000);
});

it('one key cannot take all places, and another one is served', async () => {
  const [greedy, other] = ['the-greedy-key', 'the-other-key'];
  await start(
    {
      server: { port: 0, maxInFlight: 100, maxInFlightPerCaller: 10, stallTimeoutMs: 0 },
      auth: { apiKeys: [greedy, other], insecure: true },
    },
    flood({}),
  ).catch(() => undefined);
  const keyed = (key: string) => ({ authorization: `Bearer ${key}` });
  await until(async () => (await ask(keyed(other))).status === 200, 'the plugin');
  leaveUnread(30, `authorization: Bearer ${greedy}\r\n`);
  await until(async () => (await inFlight(keyed(other))) === 10, 'ten are served');
  const refused = await ask(keyed(greedy));
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect((await ask(keyed(other))).status).toBe(200);
}, 60_000);
