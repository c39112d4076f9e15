import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { readAnswer } from './answer-stream.js';
import { AnswerReader } from './answer-wire.js';
import type { EngineEvent } from './engine.js';
import { EngineError } from './errors.js';
import { ServerClient } from './server-client.js';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const never = new AbortController().signal;
const chunk = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const word = (content: string): string => chunk({ choices: [{ delta: { content } }] });
const end = chunk({ choices: [{ delta: {}, finish_reason: 'stop' }] });

/** A client of a server that answers as told; `idleTimeoutMs` bounds silence. */
async function client(
  answer: (response: ServerResponse, headers: object) => void,
  idleTimeoutMs = 5_000,
): Promise<ServerClient> {
  const server: Server = createServer((request, response) => answer(response, request.headers));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const made = new ServerClient({
    address: { kind: 'tcp', origin: `http://127.0.0.1:${port}`, apiKey: 'k' },
    headersTimeoutMs: 5_000,
    idleTimeoutMs,
  });
  open.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  open.push(() => made.close(new EngineError('stopped', 'over')));
  return made;
}

const sse = (response: ServerResponse, body: string): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(body);
};

async function heard(from: ServerClient, signal = never): Promise<{ text: string; error: unknown }> {
  const events: EngineEvent[] = [];
  let error: unknown;
  try {
    const reader = new AnswerReader();
    for await (const batch of readAnswer(from.stream('/v1/chat/completions', '{}', signal), reader))
      events.push(...batch);
  } catch (caught) {
    error = caught;
  }
  return { text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''), error };
}

describe('an answer of the server', () => {
  it('is whole with a finish and the end marker, without a blank line at the end too', async () => {
    expect(await heard(await client((r) => sse(r, word('hi') + end + 'data: [DONE]\n\n')))).toEqual({
      text: 'hi',
    });
    expect(await heard(await client((r) => sse(r, word('hi') + end + 'data: [DONE]')))).toEqual({
      text: 'hi',
    });
  });

  it.each([
    ['nothing at all', '', 'truncated'],
    ['no end marker', word('hi') + end, 'truncated'],
    ['no finish', word('hi') + 'data: [DONE]\n\n', 'truncated'],
    ['half a chunk', word('hi') + 'data: {"choices":[{"del', 'truncated'],
    ['a chunk that is not JSON', word('hi') + 'data: oops\n\n' + end + 'data: [DONE]\n\n', 'engine_error'],
    ['a chunk that is null', word('hi') + 'data: null\n\n', 'engine_error'],
    [
      'an error in the middle',
      word('hi') + chunk({ error: { code: 500, message: 'boom', type: 'server_error' } }),
      'engine_error',
    ],
  ])('is an error with %s, after what was said', async (name, body, kind) => {
    const { text, error } = await heard(await client((r) => sse(r, body)));
    expect(error).toMatchObject({ kind });
    expect(text).toBe(name === 'nothing at all' ? '' : 'hi');
  });

  it('is an error when the connection breaks or falls silent', async () => {
    const broken = await client((r) => {
      r.writeHead(200, { 'content-type': 'text/event-stream' });
      r.write(word('hi'), () => r.destroy());
    });
    expect((await heard(broken)).error).toBeDefined();
    const silent = await client((r) => {
      r.writeHead(200, { 'content-type': 'text/event-stream' });
      r.write(word('hi'));
    }, 100);
    const { text, error } = await heard(silent);
    expect([text, error]).toMatchObject(['hi', { code: 'UND_ERR_BODY_TIMEOUT' }]);
  });

  it.each([
    [
      400,
      { error: { type: 'invalid_request_error', message: "Field 'top_k': no" } },
      { kind: 'invalid_request' },
    ],
    [503, { error: { type: 'unavailable_error', message: 'Loading model' } }, { kind: 'loading' }],
    [502, undefined, { kind: 'engine_error' }],
  ])('is an error with status %i', async (status, body, error) => {
    const made = await client((r) =>
      r.writeHead(status).end(body === undefined ? '<html>' : JSON.stringify(body)),
    );
    expect((await heard(made)).error).toMatchObject(error);
    await expect(made.json('/x', '{}', never)).rejects.toMatchObject(error);
  });

  it('may come as JSON where a stream was asked for', async () => {
    const whole = { choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }] };
    const made = await client((r) =>
      r.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole)),
    );
    const { text, error } = await heard(made);
    expect(text).toBe('hi');
    // All is there but the marker: this server is not what it claims to be.
    expect(error).toMatchObject({ kind: 'truncated' });
  });

  it('carries the key and no header of a caller', async () => {
    let seen: object = {};
    await heard(
      await client((r, headers) => {
        seen = headers;
        sse(r, end + 'data: [DONE]\n\n');
      }),
    );
    expect(Object.keys(seen).sort()).toEqual([
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
    ]);
  });

  it('ends with the reason that all requests are ended with', async () => {
    const made = await client(
      (r) => void r.writeHead(200, { 'content-type': 'text/event-stream' }).write(word('hi')),
    );
    const listening = heard(made);
    const deadline = Date.now() + 5_000;
    while (made.live === 0 && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    made.abortAll(new EngineError('stopped', 'over'));
    expect((await listening).error).toMatchObject({ kind: 'stopped' });
    expect(made.live).toBe(0);
  });
});
