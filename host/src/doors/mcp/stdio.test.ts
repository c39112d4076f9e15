import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { serveMcpStdio } from './stdio.js';
import { initializeRequest, modernRequest, until, type Message } from './testing/door-server.js';
import { fakePort, memoryLogger } from './testing/fake-port.js';
import { createToolCatalog, type ToolModule } from './tool-catalog.js';
import { inferenceTools } from './tools/inference-tools.js';

function start(options: { graceMs?: number; stdin?: PassThrough } = {}) {
  let tools: ToolModule[] = [];
  let changed: () => void = () => undefined;
  const port = fakePort();
  const logger = memoryLogger();
  const catalog = createToolCatalog({
    info: { name: 'x', version: '1' },
    tools: inferenceTools(port),
    providers: [{ tools: () => tools, onChanged: (listener) => ((changed = listener), () => undefined) }],
    logger,
  });
  const stdin = options.stdin ?? new PassThrough();
  const stdout = new PassThrough();
  let text = '';
  stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const abort = new AbortController();
  const served = serveMcpStdio({
    catalog,
    logger,
    stdin,
    stdout,
    signal: abort.signal,
    graceMs: options.graceMs ?? 5000,
  });
  const messages = (): Message[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Message);
  return {
    port,
    logger,
    stdin,
    stdout,
    abort,
    served,
    messages,
    send: (message: object) => stdin.write(`${JSON.stringify(message)}\n`),
    answer: async (id: unknown): Promise<Message> => {
      await until(() => messages().some((one) => one.id === id && !one.method), `${String(id)} is answered`);
      return messages().find((one) => one.id === id && !one.method) as Message;
    },
    addTool() {
      tools = [
        {
          definition: { name: 'p.new', inputSchema: { type: 'object' } },
          run: () => Promise.resolve({ content: [] }),
        },
      ];
      changed();
    },
  };
}

const generate = (model: string, meta: object = {}) => ({
  name: 'generate',
  arguments: { prompt: 'hi', model },
  _meta: { progressToken: 1, ...meta },
});
const legacyCall = (id: number, model: string) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: generate(model),
});
const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };

describe('MCP on standard input and output', () => {
  it('serves a session of 2025-11-25 with progress, and ends with the input', async () => {
    const pipe = start();
    pipe.send(initializeRequest);
    expect((await pipe.answer(0)).result.protocolVersion).toBe('2025-11-25');
    pipe.send(initialized);
    pipe.send(legacyCall(1, ''));
    const answer = await pipe.answer(1);
    expect(answer.result.structuredContent.text).toBe('Hello, world');
    const progress = pipe.messages().filter((one) => one.method === 'notifications/progress');
    expect(progress.map((one) => one.params.message).join('')).toBe('Hello, world');
    expect(pipe.messages().at(-1)).toEqual(answer);
    pipe.addTool();
    await until(
      () => pipe.messages().some((one) => one.method === 'notifications/tools/list_changed'),
      'the change is told',
    );
    pipe.stdin.end();
    await pipe.served;
  });

  it('serves 2026-07-28 on the same kind of pipe, with subscriptions', async () => {
    const pipe = start();
    pipe.send(modernRequest('server/discover', {}, 'd'));
    expect((await pipe.answer('d')).result.supportedVersions).toContain('2026-07-28');
    pipe.send(
      modernRequest('tools/call', { name: 'generate', arguments: { prompt: 'x' } }, 'c', {
        progressToken: 1,
      }),
    );
    expect((await pipe.answer('c')).result.structuredContent.text).toBe('Hello, world');
    pipe.send(modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, 's'));
    await until(
      () => pipe.messages().some((one) => one.method === 'notifications/subscriptions/acknowledged'),
      'the subscription is there',
    );
    pipe.addTool();
    await until(
      () => pipe.messages().some((one) => one.method === 'notifications/tools/list_changed'),
      'the change is told',
    );
    // An open subscription does not hold the end up.
    pipe.stdin.end();
    await pipe.served;
  });

  it('tolerates garbage and characters cut in two', async () => {
    const pipe = start();
    pipe.stdin.write('not json\n{"half":\n[]\n42\n{"jsonrpc":"2.0"}\n\r\n');
    pipe.send(initializeRequest);
    await pipe.answer(0);
    const line = Buffer.from(`${JSON.stringify({ ...legacyCall(1, 'ü😀'), id: 'ü' })}\r\n`);
    for (const byte of line) pipe.stdin.write(Buffer.from([byte]));
    expect((await pipe.answer('ü')).result.structuredContent.model).toBe('ü😀');
    expect(pipe.logger.lines.filter((line) => line.includes('ignored a line')).length).toBe(5);
    pipe.stdin.end();
    await pipe.served;
  });

  it('answers what is under way when the input ends', async () => {
    const pipe = start();
    pipe.send(initializeRequest);
    pipe.send(legacyCall(1, 'alpha'));
    pipe.stdin.end();
    await pipe.served;
    expect(pipe.messages().some((one) => one.id === 1 && 'result' in one)).toBe(true);
  });

  it('does not wait for ever: after the grace the call is aborted', async () => {
    const pipe = start({ graceMs: 20 });
    pipe.send(initializeRequest);
    pipe.send(legacyCall(1, 'hang'));
    await until(() => pipe.port.asked.length === 1, 'the call runs');
    pipe.stdin.end();
    await pipe.served;
    expect(pipe.port.asked[0]?.call.signal.aborted).toBe(true);
  });

  it('cancels request 0 and says nothing more of it', async () => {
    const pipe = start();
    pipe.send({ ...initializeRequest, id: 'i' });
    await pipe.answer('i');
    pipe.send(legacyCall(0, 'hang'));
    await until(() => pipe.port.asked.length === 1, 'the call runs');
    pipe.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 0 } });
    await until(() => pipe.port.asked[0]?.call.signal.aborted === true, 'the call is aborted');
    pipe.send({ jsonrpc: '2.0', id: 'p', method: 'ping' });
    await pipe.answer('p');
    expect(pipe.messages().some((one) => one.id === 0)).toBe(false);
    pipe.stdin.end();
    await pipe.served;
  });

  it('ends when the reader is gone, when the signal fires, and when the input ended before', async () => {
    const broken = start();
    broken.send(initializeRequest);
    await broken.answer(0);
    broken.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await broken.served;
    const stopped = start();
    stopped.abort.abort();
    await stopped.served;
    const stdin = new PassThrough();
    stdin.end();
    stdin.resume();
    await until(() => stdin.readableEnded, 'the input has ended');
    await start({ stdin }).served;
  });
});
