import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { HubClient } from './hub-client.js';
import { parseSource } from './source.js';

const body = Buffer.alloc(64 * 1024, 'a');

it.each([
  ['with', `content-length: ${body.length}\r\n`],
  ['without', ''],
])('takes the body of a server that closes, %s a length, when nobody has read it yet', async (_, length) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${length}connection: close\r\n\r\n`);
      socket.end(body, () => server.emit('sent'));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new HubClient(undefined);
  const never = new AbortController().signal;
  const fetch = () =>
    client.fetch(parseSource(`http://127.0.0.1:${port}/a.gguf`, 'https://hub.example'), 0, never);

  try {
    const sent = once(server, 'sent');
    const unread = await fetch();
    await sent;
    // Another round trip: the end of the first connection has come by now.
    await (await fetch()).body.dump();
    expect((await unread.body.arrayBuffer()).byteLength).toBe(body.length);
  } finally {
    await client.close();
    server.close();
  }
});
