import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { head, text } from '../testing/scripted-inference.js';
import { openTestDoor, until, type TestDoor } from '../testing/test-door.js';

const paths = ['/v1/chat/completions', '/mcp/v1/chat'];
const messages = [{ role: 'user', content: 'hi' }];

let door: TestDoor;
let sockets: Socket[] = [];
beforeEach(async () => {
  door = await openTestDoor({ writeTimeoutMs: 60_000 });
  door.inference.script = undefined;
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await door.door.close(0);
});

/** Sends a request over a socket that reads nothing unless told. */
function open(path: string, body: object): Socket {
  const json = JSON.stringify(body);
  const socket = connect(door.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`,
  );
  return socket;
}

async function generation() {
  await until(() => door.inference.generations[0]?.attached === true, 'a generation');
  const [made] = door.inference.generations;
  if (made === undefined) throw new Error('no generation');
  return made;
}

describe.each(paths)('a client of %s that leaves', (path) => {
  it.each([true, false])('while its request waits is told to the router (stream %s)', async (stream) => {
    let release = (): void => undefined;
    door.inference.gate = new Promise((resolve) => (release = resolve));
    const socket = open(path, { messages, stream });
    await until(() => door.inference.calls.length === 1, 'the call');
    const { signal } = door.inference.calls[0]?.context ?? {};
    expect(signal?.aborted).toBe(false);
    socket.destroy();
    await until(() => signal?.aborted === true, 'the signal');
    // A router that had not noticed: what it begins now is cancelled at once.
    release();
    await until(() => door.inference.generations[0]?.cancelled === true, 'the cancellation');
    expect(door.inference.generations[0]?.attached).toBe(false);
  });

  it.each([true, false])('before the first token stops the work (stream %s)', async (stream) => {
    const socket = open(path, { messages, stream });
    const made = await generation();
    socket.destroy();
    await until(() => made.cancelled, 'the cancellation');
  });

  it.each([true, false])('in the middle stops the work (stream %s)', async (stream) => {
    const socket = open(path, { messages, stream });
    const made = await generation();
    made.push(head, text('one'));
    if (stream) await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await until(() => made.cancelled, 'the cancellation');
  });

  it('after the whole answer cancels nothing', async () => {
    const socket = open(path, { messages, stream: true });
    const made = await generation();
    made.push(head, text('one'));
    made.complete();
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    await until(() => got.endsWith('0\r\n\r\n'), 'the end');
    socket.destroy();
    await until(() => active() === 0, 'the end of the connection');
    expect(made.cancelled).toBe(false);
  });
});

describe.each(paths)('a client of %s that reads slowly', (path) => {
  it('holds the source back and gets everything in the end', async () => {
    const socket = open(path, { messages, stream: true });
    socket.pause();
    const made = await generation();
    const piece = 'x'.repeat(1000);
    let sent = 0;
    // The kernel takes some megabytes before it holds anybody back for good.
    while (!(await staysPaused(made)) && sent < 100_000) {
      while (!made.paused && sent < 100_000) {
        made.push(text(piece));
        sent += 1;
      }
    }
    expect(made.paused).toBe(true);
    expect(sent).toBeLessThan(100_000);
    const resumed = made.resumes;
    let letters = 0;
    let ended = false;
    socket.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 0x78) letters += 1;
      ended = chunk.subarray(-5).toString() === '0\r\n\r\n';
    });
    socket.resume();
    await until(() => made.resumes > resumed, 'the source goes on');
    made.complete();
    await until(() => ended, 'the end', 10_000);
    // Headers and chunks of both doors hold some x of their own.
    expect(letters).toBeGreaterThanOrEqual(sent * 1000);
    expect(made.cancelled).toBe(false);
  });

  it('and then not at all is cut', async () => {
    await door.door.close(0);
    door = await openTestDoor({ writeTimeoutMs: 100 });
    door.inference.script = undefined;
    const socket = open(path, { messages, stream: true });
    socket.pause();
    const made = await generation();
    for (let sent = 0; sent < 1000 && !(await staysPaused(made)) && !made.cancelled; sent++) {
      made.push(text('x'.repeat(100_000)));
    }
    await until(() => made.cancelled, 'the cancellation');
  });
});

describe.each(paths)('a client of %s that does not read', (path) => {
  let waiting = 0;
  beforeEach(async () => {
    waiting = 0;
    await door.door.close(0);
    door = await openTestDoor({ stallTimeoutMs: 50, maxInFlight: 3 }, { waiting: () => waiting });
    door.inference.script = undefined;
  });

  /** Opens a stream and fills it until its client holds it back. */
  async function stall(): Promise<{ socket: Socket; made: Awaited<ReturnType<typeof generation>> }> {
    const { length } = door.inference.generations;
    const socket = open(path, { messages, stream: true });
    socket.pause();
    await until(() => door.inference.generations[length]?.attached === true, 'a generation');
    const made = door.inference.generations[length];
    if (made === undefined) throw new Error('no generation');
    for (let sent = 0; sent < 1000 && !(await staysPaused(made)); sent++)
      made.push(text('x'.repeat(100_000)));
    expect(made.paused).toBe(true);
    return { socket, made };
  }

  it('gives way to one that waits, the oldest first, and is told so when it reads after all', async () => {
    const [first, second] = [await stall(), await stall()];
    // Nobody waits: both may stay, however often it is looked.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([first.made.cancelled, second.made.cancelled]).toEqual([false, false]);
    waiting = 1;
    await until(() => first.made.cancelled, 'the first gives way');
    waiting = 0;
    expect(second.made.cancelled).toBe(false);
    let got = '';
    first.socket.on('data', (chunk: Buffer) => (got = (got + chunk.toString()).slice(-2000)));
    first.socket.resume();
    await until(() => got.endsWith('0\r\n\r\n'), 'the end', 10_000);
    expect(got).toContain('while other requests waited');
    expect(got).not.toMatch(/\[DONE\]|event: done/);
  });

  it('gives its place up when the host has no other', async () => {
    const stalled = [await stall(), await stall(), await stall()];
    await until(() => {
      const reply = open(path, { messages });
      reply.end();
      return stalled.some(({ made }) => made.cancelled);
    }, 'one gives way');
    expect(stalled.filter(({ made }) => made.cancelled).length).toBeLessThan(3);
  });
});

async function staysPaused(made: { readonly paused: boolean }): Promise<boolean> {
  for (let tick = 0; tick < 500 && made.paused; tick++) await new Promise((resolve) => setImmediate(resolve));
  return made.paused;
}

let count = 0;
function active(): number {
  door.door.server.getConnections((_error, now) => (count = now));
  return count;
}
