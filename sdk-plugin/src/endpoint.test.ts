import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { addressOf, clearStaleSocket, isLocal, parseEndpoint } from './endpoint.js';
import { definePlugin, servePlugin, type RunningPlugin } from './index.js';
import { connectPlugin, recordedLog } from './testing.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'endpoint-'));
});
afterEach(async () => {
  for (const running of served.splice(0)) await running.close();
  await rm(directory, { recursive: true, force: true });
});

const definition = definePlugin({ name: 'subject', version: '1' });
const served: RunningPlugin[] = [];

async function serve(endpoint: string): Promise<RunningPlugin> {
  const running = await servePlugin(definition, { endpoint, exit: false, log: recordedLog() });
  served.push(running);
  return running;
}

/** Leaves a socket file behind as a killed process does. */
function leaveSocket(path: string): void {
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path], { timeout: 10_000 });
}

describe('parseEndpoint', () => {
  it.each([
    ['unix:///run/p.sock', 'unix:///run/p.sock'],
    ['unix:/run/p.sock', 'unix:///run/p.sock'],
    ['127.0.0.1:50051', '127.0.0.1:50051'],
    ['ipv4:127.0.0.1:0', '127.0.0.1:0'],
    ['ipv6:[::1]:8080', '[::1]:8080'],
    ['[::1]:8080', '[::1]:8080'],
    ['dns:///localhost:1', 'localhost:1'],
  ])('reads %s', (address, expected) => expect(addressOf(parseEndpoint(address))).toBe(expected));

  it.each([
    '',
    'nonsense',
    'unix:',
    'unix://host/path',
    '127.0.0.1',
    '127.0.0.1:70000',
    'http://127.0.0.1:80',
  ])('refuses %j and says what to use', (address) =>
    expect(() => parseEndpoint(address)).toThrow(/use unix:\/\/\/|three slashes/),
  );

  it('refuses a path of more than 100 bytes, counted in bytes', () => {
    expect(() => parseEndpoint(`unix:///tmp/${'é'.repeat(48)}`)).toThrow(/101 bytes.*at most 100/);
    expect(parseEndpoint(`unix:///tmp/${'a'.repeat(95)}`)).toMatchObject({ kind: 'unix' });
  });

  it('knows which addresses stay on this machine', () => {
    const local = ['unix:/a', '127.0.0.1:1', 'localhost:1', '[::1]:1', '0.0.0.0:1', '10.0.0.1:1'];
    expect(local.map((address) => isLocal(parseEndpoint(address)))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('a socket path', () => {
  it('is taken over from a dead process, and gone after closing', async () => {
    const path = join(directory, 's');
    leaveSocket(path);
    expect((await stat(path)).isSocket()).toBe(true);
    const running = await serve(`unix://${path}`);
    const client = connectPlugin(running.endpoint);
    expect((await client.info()).instanceId).toBe(running.instanceId);
    client.close();
    await running.close();
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is for its owner alone', async () => {
    const path = join(directory, 's');
    const running = await serve(`unix://${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await running.close();
  });

  it('is not taken from a live process', async () => {
    const endpoint = `unix://${join(directory, 's')}`;
    const first = await serve(endpoint);
    await expect(serve(endpoint)).rejects.toThrow(/another process listens here/);
    const client = connectPlugin(endpoint);
    expect((await client.info()).instanceId).toBe(first.instanceId);
    client.close();
    await first.close();
  });

  it('stays when another process has taken it meanwhile', async () => {
    const path = join(directory, 's');
    const first = await serve(`unix://${path}`);
    const second = await serve(`unix://${path}.new`);
    await rename(`${path}.new`, path);
    await first.close();
    const client = connectPlugin(`unix://${path}`);
    expect((await client.info()).instanceId).toBe(second.instanceId);
    client.close();
    await second.close();
    expect(await readdir(directory)).toEqual(['s']);
  });

  it('is all that is left to see while it is served', async () => {
    const running = await serve(`unix://${join(directory, 's')}`);
    expect(await readdir(directory)).toEqual(['s']);
    await running.close();
    expect(await readdir(directory)).toEqual([]);
  });

  it('is not taken from a file', async () => {
    const path = join(directory, 'notes.txt');
    await writeFile(path, 'precious');
    await expect(clearStaleSocket(path)).rejects.toThrow(/not a socket/);
  });

  it('in a directory that is not there is refused with the reason', async () => {
    // grpc-js says it on the console as well.
    const quiet = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    await expect(serve(`unix://${join(directory, 'missing', 's')}`)).rejects.toThrow(/cannot listen/);
    quiet.mockRestore();
  });
});

describe('a TCP endpoint', () => {
  it('takes a free port and tells it', async () => {
    const running = await serve('127.0.0.1:0');
    expect(running.endpoint).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    const client = connectPlugin(running.endpoint);
    expect((await client.info()).name).toBe('subject');
    client.close();
    await running.close();
  });
});
