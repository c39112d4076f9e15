import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../../scripts/testing/with-runtime.mjs';
import { Plugged, fold } from './support/plugged.js';
import { TritonProcess } from './support/triton-process.js';
import { until } from './support/until.js';

const slowly = {
  sampling: { maxOutputTokens: 5_000 },
  extensions: { sampling_parameters: '{"delay":0.005}' },
};

describeWith('tritonserver', 'a Triton that goes away', ({ path }) => {
  it('by kill -9 under load fails every stream as unavailable, and serves again when it is back', async () => {
    await using triton = new TritonProcess(path);
    await triton.start(['llm', 'embed']);
    await using plugin = await Plugged.to({ endpoints: [{ url: triton.url }] });
    const said = new Array<number>(20).fill(0);
    const streams = said.map((_, index) =>
      fold(
        plugin.start({ model: 'llm', prompt: 'tick', ...slowly }),
        () => (said[index] = (said[index] ?? 0) + 1),
      ),
    );
    const outcomes = Promise.allSettled(streams);
    await until(() => (said.every((count) => count > 2) ? true : undefined), {
      what: 'all streams to speak',
    });
    await triton.kill();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { name: 'PluginError', reason: 'UPSTREAM_UNAVAILABLE' },
      });
    }
    const gone = { reason: 'UPSTREAM_UNAVAILABLE' };
    await expect(plugin.complete('llm', 'x')).rejects.toMatchObject(gone);
    await expect(plugin.embed('embed', ['x'])).rejects.toMatchObject(gone);
    await expect(plugin.models()).rejects.toMatchObject(gone);
    await expect(plugin.load('llm')).rejects.toMatchObject(gone);
    await expect(plugin.metrics()).rejects.toMatchObject(gone);
    await triton.start(['llm']);
    const back = await until(
      () => plugin.complete('llm', 'x', { sampling: { maxOutputTokens: 2 } }).catch(() => undefined),
      { what: 'the plugin to reconnect' },
    );
    expect(back.text).toBe('x x ');
  }, 90_000);

  it('is waited for: configuring works without it, and says so', async () => {
    await using triton = new TritonProcess(path);
    await using plugin = new Plugged();
    expect(await plugin.configure({ endpoints: [{ url: triton.url }] })).toEqual([
      'endpoint default does not answer yet',
    ]);
    await expect(plugin.complete('llm', 'x')).rejects.toMatchObject({
      reason: 'UPSTREAM_UNAVAILABLE',
      message: 'the server cannot be reached',
    });
    await triton.start(['llm']);
    await until(() => plugin.complete('llm', 'x').catch(() => undefined), { what: 'the plugin to connect' });
  }, 60_000);

  it('for a new configuration: what runs goes on over the old connection', async () => {
    await using triton = new TritonProcess(path);
    await triton.start(['llm']);
    await using plugin = await Plugged.to({ endpoints: [{ url: triton.url }] });
    let said = 0;
    const ask = {
      model: 'llm',
      prompt: 'tick',
      sampling: { maxOutputTokens: 100 },
      extensions: { sampling_parameters: '{"delay":0.01}' },
    };
    const running = fold(plugin.start(ask), () => (said += 1));
    await until(() => (said > 2 ? true : undefined), { what: 'the stream' });
    await plugin.configure({ endpoints: [{ url: triton.url }], models: { llm: { template: 'chatml' } } });
    expect((await plugin.chat('llm', 'hi', { sampling: { maxOutputTokens: 1 } })).text).toBe(
      '<|im_start|>user ',
    );
    expect((await running).text).toBe('tick '.repeat(100));
  }, 60_000);
});

describeWith('tritonserver', 'Triton behind a lock', ({ path }) => {
  it('restricted protocols are a matter of permission, and the key opens them', async () => {
    await using triton = new TritonProcess(path);
    await triton.start(['text'], '--grpc-restricted-protocol=model-repository,statistics:admin-key=sesame');
    await using stranger = await Plugged.to({ endpoints: [{ url: triton.url }] });
    const refused = { reason: 'UPSTREAM_PERMISSION_DENIED' };
    await expect(stranger.models()).rejects.toMatchObject(refused);
    await expect(stranger.load('text')).rejects.toMatchObject(refused);
    expect((await stranger.complete('text', 'open')).text).toBe('You said: open');
    await using friend = await Plugged.to({
      endpoints: [{ url: triton.url, metadata: { 'triton-grpc-protocol-admin-key': 'sesame' } }],
    });
    expect((await friend.models()).get('text')?.capabilities?.chat).toBe(true);
  }, 60_000);

  it('without model control refuses to load and unload', async () => {
    await using triton = new TritonProcess(path);
    // Without it Triton loads all there is, and ends when one cannot be loaded.
    for (const name of readdirSync(triton.repository)) {
      if (name !== 'text') rmSync(join(triton.repository, name), { recursive: true });
    }
    await triton.start([], '--model-control-mode=none');
    await using plugin = await Plugged.to({ endpoints: [{ url: triton.url }] });
    await expect(plugin.load('text')).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
    await expect(plugin.unload('text')).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
    expect((await plugin.complete('text', 'still')).text).toBe('You said: still');
  }, 60_000);
});

describeWith('tritonserver', 'several endpoints', ({ path }) => {
  let first: TritonProcess;
  let second: TritonProcess;
  let plugin: Plugged;

  beforeAll(async () => {
    first = new TritonProcess(path);
    second = new TritonProcess(path);
    await Promise.all([first.start(['text', 'llm']), second.start(['text'])]);
    rmSync(join(second.repository, 'embed'), { recursive: true });
    plugin = await Plugged.to({
      endpoints: [
        { name: 'a', url: first.url },
        { name: 'b', url: second.url },
      ],
    });
  }, 90_000);
  afterAll(async () => {
    await plugin[Symbol.asyncDispose]();
    await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
  }, 30_000);

  it('name their models, and share no bare name', async () => {
    const models = await plugin.models();
    expect(models.get('a/text')?.aliases).toEqual([]);
    expect(models.get('a/embed')?.aliases).toEqual(['embed']);
    expect((await plugin.complete('b/text', 'hi')).text).toBe('You said: hi');
    await expect(plugin.complete('text', 'hi')).rejects.toMatchObject({
      reason: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('"a/text" or "b/text"'),
    });
    expect(await plugin.load('embed')).toHaveLength(2);
    expect((await plugin.embed('embed', ['a'])).model).toBe('a/embed');
  });

  it('outlive one another', async () => {
    await second.kill();
    const models = await plugin.models();
    expect([...models.keys()].every((id) => id.startsWith('a/'))).toBe(true);
    expect((await plugin.complete('a/text', 'hi')).text).toBe('You said: hi');
    await expect(plugin.complete('b/text', 'hi')).rejects.toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE' });
    const up = (await plugin.metrics()).samples.filter((sample) => sample.name === 'triton_endpoint_up');
    expect(up.map((sample) => [sample.labels['endpoint'], sample.value])).toEqual([
      ['a', 1],
      ['b', 0],
    ]);
  });
});

/** Carries bytes between TLS and a UNIX socket, as a proxy in front of Triton does. */
function tlsProxy(folder: string, socket: string): Server {
  const pem = (name: string) => readFileSync(join(folder, name));
  const options = {
    key: pem('key.pem'),
    cert: pem('cert.pem'),
    ca: pem('cert.pem'),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
  };
  return createServer(options, (client) => {
    const upstream = connect(socket);
    client.on('error', () => undefined).on('close', () => upstream.destroy());
    upstream.on('error', () => undefined).on('close', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
}

describeWith('tritonserver', 'Triton behind TLS', ({ path }) => {
  it('is spoken to with a certificate of ours, and refused without', async () => {
    await using triton = new TritonProcess(path);
    await triton.start(['text']);
    const folder = mkdtempSync(join(tmpdir(), 'otri-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ];
    const names = [
      '-subj',
      '/CN=triton.test',
      '-addext',
      'subjectAltName=DNS:triton.test',
      '-keyout',
      key,
      '-out',
      cert,
    ];
    execFileSync('openssl', [...request, ...names], { stdio: 'ignore', timeout: 20_000 });
    const proxy = tlsProxy(folder, triton.url.slice('unix:'.length));
    // Handshakes that were refused leave sockets behind that nobody closes.
    const sockets = new Set<Socket>();
    proxy.on('connection', (socket: Socket) => sockets.add(socket));
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const url = `grpcs://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const tls = { ca: cert, cert, key, serverName: 'triton.test' };
      await using plugin = await Plugged.to({ endpoints: [{ url, tls }] });
      expect((await plugin.complete('text', 'secret')).text).toBe('You said: secret');
      await using stranger = await Plugged.to({
        endpoints: [{ url, tls: { ca: cert, serverName: 'triton.test' } }],
      });
      await expect(stranger.complete('text', 'x')).rejects.toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE' });
      await using doubter = await Plugged.to({ endpoints: [{ url }] });
      await expect(doubter.complete('text', 'x')).rejects.toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE' });
    } finally {
      proxy.close();
      for (const socket of sockets) socket.destroy();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
