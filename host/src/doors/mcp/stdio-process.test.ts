import { spawn } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { initializeRequest, until, type Message } from './testing/door-server.js';

const dist = new URL('../../../dist/doors/mcp/', import.meta.url).href;

/** A process that serves on its real standard input and output, and is not careful with them. */
const program = `
  const { serveMcpStdio, createToolCatalog, inferenceTools } = await import('${dist}index.js');
  const { fakePort } = await import('${dist}testing/fake-port.js');
  const quiet = () => {};
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
  const port = fakePort();
  const generate = port.generate;
  port.generate = (...args) => {
    console.log('a dependency says hello');
    process.stdout.write('half a line');
    console.table([{ a: 1 }]);
    return generate(...args);
  };
  const catalog = createToolCatalog({ info: { name: 'x', version: '1' }, tools: inferenceTools(port), logger });
  const keepAlive = setInterval(quiet, 1000);
  const served = serveMcpStdio({ catalog, logger });
  console.log('noise');
  await served;
  process.exit(0);
`;

function start() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const exit = new Promise<number | string | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal)),
  );
  return {
    child,
    exit,
    err: () => err,
    lines: (): string[] => out.split('\n').slice(0, -1),
    send: (message: object) => child.stdin.write(`${JSON.stringify(message)}\n`),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

const call = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'generate', arguments: { prompt: 'x' }, _meta: { progressToken: 1 } },
};

describe('a process that serves MCP on stdio', () => {
  it('writes nothing but JSON-RPC to standard output and exits with 0 when the input ends', async () => {
    await using server = start();
    server.send(initializeRequest);
    await until(() => server.lines().length === 1, 'the first answer');
    server.send(call);
    server.child.stdin.write('this is not JSON\n');
    await until(() => server.lines().some((line) => line.includes('"id":1')), 'the call is answered');
    server.child.stdin.end();
    expect(await server.exit).toBe(0);
    const messages: Message[] = server.lines().map((line) => JSON.parse(line) as Message);
    expect(messages.every((message) => message.jsonrpc === '2.0')).toBe(true);
    expect(messages.map((message) => message.id ?? message.method)).toEqual([
      0,
      ...messages.slice(1, -1).map(() => 'notifications/progress'),
      1,
    ]);
    for (const noise of ['noise', 'a dependency says hello', 'half a line', '┌'])
      expect(server.err()).toContain(noise);
  });

  it('ends in peace when nobody reads any more', async () => {
    await using server = start();
    server.send(initializeRequest);
    await until(() => server.lines().length === 1, 'the first answer');
    server.child.stdout.destroy();
    for (let i = 1; i < 50; i++) server.send({ ...call, id: i });
    expect(await server.exit).toBe(0);
    expect(server.err()).not.toContain('EPIPE');
  });
});
