import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  descendants,
  startHost,
  until,
  type HostProcess,
} from '../../../../scripts/testing/host-process.mjs';
import { describeWith } from '../../../../scripts/testing/with-runtime.mjs';

const run = promisify(execFile);
const main = fileURLToPath(new URL('../../../../host/dist/main.js', import.meta.url));
const start = 'This is the demo model of Outrigger';

let folder: string;
let host: HostProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'judges-'));
  // The engine inside the plugin: what a machine without anything installed has.
  host = await startHost({
    plugins: { 'llama-cpp': { config: { engine: 'embedded', demo: true } }, ollama: { enabled: false } },
  });
  await host.hasModel('llama-cpp/demo');
}, 60_000);

afterAll(async () => {
  await host.stop();
  await rm(folder, { recursive: true, force: true });
}, 20_000);

/** Runs a program that judges the host; its home is a folder of its own. */
async function judge(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, [...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, HOST_URL: host.url },
    timeout: 60_000,
    maxBuffer: 8 * 1024 * 1024,
  });
  return stdout;
}

describeWith('inspector', 'the MCP Inspector', (inspector) => {
  const calls = [
    '--tool-name',
    'generate',
    '--tool-args-json',
    JSON.stringify({ model: 'demo', prompt: 'Hello' }),
  ];
  const ways = (): readonly [string, string[], string[]][] => [
    ['HTTP', ['--server-url', `${host.url}/mcp`, '--transport', 'http'], []],
    ['stdio', [], ['--', process.execPath, main, '--url', host.url, 'mcp']],
  ];

  it.each(['legacy', 'modern', 'auto'])(
    'lists and calls tools over HTTP and stdio, era %s',
    async (era) => {
      for (const [, before, after] of ways()) {
        const common = ['--cli', ...before, '--format', 'json', '--protocol-era', era, '--method'];
        const list = await judge(process.execPath, [inspector.path, ...common, 'tools/list', ...after]);
        expect(
          JSON.parse(list).result?.tools?.map((tool: any) => tool.name) ??
            JSON.parse(list).tools.map((tool: any) => tool.name),
        ).toEqual(expect.arrayContaining(['list_models', 'generate', 'embed', 'count_tokens']));
        const answer = await judge(process.execPath, [
          inspector.path,
          ...common,
          'tools/call',
          ...calls,
          ...after,
        ]);
        expect(answer).toContain(start);
      }
    },
    120_000,
  );
});

describeWith('ai-sdk-mcp', '@ai-sdk/mcp', (sdk) => {
  it('lists and calls tools over HTTP', async () => {
    const script = join(folder, 'judge.mjs');
    await writeFile(
      script,
      `import { createRequire } from 'node:module';
       const require = createRequire(${JSON.stringify(join(sdk.path, 'package.json'))});
       const { createMCPClient } = await import(require.resolve('@ai-sdk/mcp'));
       const client = await createMCPClient({ transport: { type: 'http', url: process.env.HOST_URL + '/mcp' } });
       const tools = await client.tools();
       const answer = await tools.generate.execute({ model: 'demo', prompt: 'Hello' }, { toolCallId: '1', messages: [] });
       console.log(JSON.stringify({ names: Object.keys(tools), answer }));
       await client.close();`,
    );
    const { names, answer } = JSON.parse(await judge(process.execPath, ['--no-warnings', script]));
    expect(names).toContain('compare_models');
    expect(answer.content[0].text).toContain(start);
  }, 60_000);
});

describeWith('python-judges', 'Python clients', (python) => {
  it('mcp: progress while it is written, and the whole text at the end', async () => {
    const script = join(folder, 'mcp_judge.py');
    await writeFile(
      script,
      `import asyncio, json, os
from mcp import Client
async def main():
    seen = []
    async def progress(done, total, message):
        seen.append(message or "")
    async with Client(os.environ["HOST_URL"] + "/mcp") as client:
        tools = await client.list_tools()
        answer = await client.call_tool("generate", {"model": "demo", "prompt": "Hello"}, progress_callback=progress)
        print(json.dumps({"names": [tool.name for tool in tools.tools], "text": answer.content[0].text, "deltas": "".join(seen)}))
asyncio.run(main())
`,
    );
    const { names, text, deltas } = JSON.parse(await judge(python.path, [script]));
    expect(names).toContain('generate');
    expect(text).toContain(start);
    expect(deltas).toContain(start);
  }, 60_000);

  it('openai: chat, stream with usage, embeddings, errors', async () => {
    const script = join(folder, 'openai_judge.py');
    await writeFile(
      script,
      `import json, os, openai
client = openai.OpenAI(base_url=os.environ["HOST_URL"] + "/v1", api_key="any")
messages = [{"role": "user", "content": "Hello"}]
whole = client.chat.completions.create(model="demo", messages=messages)
stream = list(client.chat.completions.create(model="demo", messages=messages, stream=True, stream_options={"include_usage": True}))
vectors = client.embeddings.create(model="demo-embed", input=["one", "two"])
try:
    client.chat.completions.create(model="none", messages=messages)
    error = None
except openai.NotFoundError as thrown:
    error = thrown.code
print(json.dumps({
    "whole": whole.choices[0].message.content,
    "stream": "".join(c.choices[0].delta.content or "" for c in stream if c.choices),
    "usage": stream[-1].usage.total_tokens == whole.usage.total_tokens,
    "dimensions": [len(one.embedding) for one in vectors.data],
    "models": [one.id for one in client.models.list()],
    "error": error,
}))
`,
    );
    const found = JSON.parse(await judge(python.path, [script]));
    expect(found.whole).toContain(start);
    expect(found.stream).toBe(found.whole);
    expect(found).toMatchObject({ usage: true, error: 'model_not_found' });
    expect(found.dimensions[0]).toBeGreaterThan(0);
    expect(found.models).toContain('llama-cpp/demo');
  }, 60_000);
});

describeWith('openai-node', 'the openai package', (sdk) => {
  it('chats, streams, calls tools and embeds unchanged', async () => {
    const script = join(folder, 'openai_judge.mjs');
    await writeFile(
      script,
      `import { createRequire } from 'node:module';
       const require = createRequire(${JSON.stringify(join(sdk.path, 'package.json'))});
       const { default: OpenAI } = await import(require.resolve('openai'));
       const client = new OpenAI({ baseURL: process.env.HOST_URL + '/v1', apiKey: 'any' });
       const messages = [{ role: 'user', content: 'Hello' }];
       const whole = await client.chat.completions.create({ model: 'demo', messages });
       let streamed = '';
       for await (const chunk of await client.chat.completions.create({ model: 'demo', messages, stream: true })) streamed += chunk.choices[0]?.delta.content ?? '';
       const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
       const called = await client.chat.completions.create({ model: 'demo-tools', messages, tools });
       const vectors = await client.embeddings.create({ model: 'demo-embed', input: ['one'] });
       const error = await client.models.retrieve('nobody/knows').catch((thrown) => thrown.status);
       console.log(JSON.stringify({ whole: whole.choices[0].message.content, streamed, tool: called.choices[0].message.tool_calls?.[0]?.function, dimensions: vectors.data[0].embedding.length, error }));`,
    );
    const found = JSON.parse(await judge(process.execPath, ['--no-warnings', script]));
    expect(found.whole).toContain(start);
    expect(found.streamed).toBe(found.whole);
    expect(found.tool.name).toBe('get_weather');
    expect(found.dimensions).toBeGreaterThan(0);
    expect(found.error).toBe(404);
  }, 60_000);
});

describe('standard output of `outrigger mcp`', () => {
  it('carries nothing but JSON-RPC, even while a plugin crashes, and ends with 0 at end of file', async () => {
    const home = await mkdtemp(join(tmpdir(), 'stdio-'));
    const config = join(home, 'outrigger.json');
    await writeFile(
      config,
      JSON.stringify({
        server: { port: 1 },
        plugins: { 'llama-cpp': { config: { engine: 'embedded', demo: true } }, ollama: { enabled: false } },
      }),
    );
    const child = spawn(process.execPath, [main, '--config', config, 'mcp'], {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home, LOG_LEVEL: 'debug' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let out = '';
    let log = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const lines = (): any[] =>
      out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown);
    const send = (message: object): void =>
      void child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    const reply = (id: number) =>
      until(() => lines().find((line) => line.id === id), `answer ${id}: ${log.slice(-500)}`, 30_000);
    const generate = { name: 'generate', arguments: { model: 'llama-cpp/demo', prompt: 'Hello' } };

    send({
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    });
    await reply(1);
    send({ method: 'notifications/initialized' });
    let id = 2;
    const answers = async (): Promise<boolean> => {
      id += 1;
      send({ id, method: 'tools/call', params: generate });
      return (await reply(id)).result.isError !== true;
    };
    await until(answers, 'the model answers', 30_000);
    const plugin = descendants(child.pid ?? 0).find(
      ({ commandLine }) =>
        commandLine.includes('plugins/llama-cpp/dist/main.js') &&
        !commandLine.startsWith('/bin/sh') &&
        !commandLine.startsWith('sh '),
    );
    process.kill(plugin?.pid ?? 0, 'SIGKILL');
    await until(answers, 'the model answers again', 30_000);
    child.stdin.end();
    expect(await exited).toBe(0);
    // Every line parses, or lines() would have thrown; and each is JSON-RPC.
    expect(lines().every((line) => line.jsonrpc === '2.0')).toBe(true);
    await rm(home, { recursive: true, force: true });
  }, 90_000);
});
