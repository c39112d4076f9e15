import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, it, expect } from '@jest/globals';
import { parse } from 'yaml';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const fake = fileURLToPath(new URL('fixtures/fake-host-cli.mjs', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'outrigger-cli-')));
  writeFileSync(join(folder, 'bad.yaml'), 'server:\n  prot: 1\nlog: { level: loud }\n');
  writeFileSync(
    join(folder, 'good.yaml'),
    'bundledPlugins: false\nserver: { port: 7171 }\nauth: { apiKeys: [very-secret-key] }\nplugins: { a: { address: "x:1", env: { E: hidden-value } } }\n',
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const children = new Set<ChildProcess>();
afterEach(() => children.forEach((child) => child.kill('SIGKILL')));

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  seen(): string;
}

function start(program: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ...env },
    stdio: 'pipe',
  });
  children.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code, stdout, stderr });
    });
  });
  return { child, ended, seen: () => stdout + stderr };
}

async function outrigger(args: readonly string[], env: Record<string, string> = {}) {
  const running = start(main, args, env);
  running.child.stdin?.end();
  return running.ended;
}

/** Waits until the program has printed something, at most twenty seconds. */
async function printed(running: Running, text: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!running.seen().includes(text)) {
    if (performance.now() > deadline) throw new Error(`not in time: ${text}; seen: ${running.seen()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('version', () => {
  it.each([['version'], ['--version'], ['-V'], ['version', '--quiet'], ['--quiet', 'version']])(
    '%s %s',
    async (...args) => {
      const { code, stdout, stderr } = await outrigger(args.filter(Boolean));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    },
  );

  it('as JSON', async () => {
    expect(JSON.parse((await outrigger(['version', '--json'])).stdout)).toMatchObject({ name: 'outrigger' });
  });
});

describe('config', () => {
  it('validate reports every problem with its line and exits with 1', async () => {
    const { code, stdout } = await outrigger(['config', 'validate', 'bad.yaml']);
    expect(code).toBe(1);
    expect(stdout).toBe(
      `${join(folder, 'bad.yaml')}:2: server.prot: unknown option; did you mean "port"?\n` +
        `${join(folder, 'bad.yaml')}:3: log.level: must be one of trace, debug, info, warn, error, fatal, silent\n`,
    );
    const json = await outrigger(['config', 'validate', '--json', '-c', 'bad.yaml']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      problems: [
        { path: 'server.prot', line: 2 },
        { path: 'log.level', line: 3 },
      ],
    });
  });

  it('validate accepts a good one', async () => {
    expect(await outrigger(['config', 'validate', 'good.yaml'])).toEqual({
      code: 0,
      stdout: `${join(folder, 'good.yaml')} is valid.\n`,
      stderr: '',
    });
  });

  it('print hides secrets, in YAML and JSON', async () => {
    const yaml = await outrigger(['config', 'print', '-c', 'good.yaml'], { PORT: '7272' });
    const json = await outrigger(['config', 'print', '--json', '-c', 'good.yaml'], { PORT: '7272' });
    expect(yaml.stdout + json.stdout).not.toMatch(/very-secret-key|hidden-value/);
    expect(parse(yaml.stdout)).toMatchObject({ server: { port: 7272 }, auth: { apiKeys: ['***'] } });
    expect(JSON.parse(json.stdout)).toEqual(parse(yaml.stdout));
  });

  it('schema is a JSON Schema', async () => {
    const { code, stdout } = await outrigger(['config', 'schema']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      additionalProperties: false,
    });
  });
});

describe('client-config', () => {
  const launch = { command: process.execPath, args: [main, 'mcp'] };
  const url = 'http://127.0.0.1:7070/mcp';
  it.each<[string, object, object]>([
    [
      'claude',
      { mcpServers: { outrigger: launch } },
      { mcpServers: { outrigger: { ...launch, args: [...launch.args, '--url', 'http://127.0.0.1:7070'] } } },
    ],
    [
      'claude-code',
      { mcpServers: { outrigger: { type: 'stdio', ...launch } } },
      { mcpServers: { outrigger: { type: 'http', url } } },
    ],
    [
      'vscode',
      { servers: { outrigger: { type: 'stdio', ...launch } } },
      { servers: { outrigger: { type: 'http', url } } },
    ],
    ['windsurf', { mcpServers: { outrigger: launch } }, { mcpServers: { outrigger: { serverUrl: url } } }],
    ['cursor', { mcpServers: { outrigger: launch } }, { mcpServers: { outrigger: { url } } }],
  ])('%s', async (client, stdio, http) => {
    const one = await outrigger(['client-config', '--client', client]);
    expect(one.code).toBe(0);
    expect(JSON.parse(one.stdout)).toEqual(stdio);
    expect(one.stderr).toContain('Put this into');
    const two = await outrigger(['client-config', '--client', client, '--http', '--quiet']);
    expect(JSON.parse(two.stdout)).toEqual(http);
    expect(two.stderr).toBe('');
  });

  it('docker', async () => {
    expect(parse((await outrigger(['client-config', '--client', 'docker', '--http'])).stdout)).toMatchObject({
      type: 'remote',
      remote: { transport_type: 'streamable-http', url: 'http://host.docker.internal:7070/mcp' },
    });
    const plain = await outrigger(['client-config', '--client', 'docker']);
    expect(parse(plain.stdout)).toMatchObject({ type: 'remote' });
    // A file of the host's own name would be read as its configuration and refused.
    expect(plain.stderr).toContain('file://./outrigger-server.yaml');
  });

  // A row each: twelve starts in one test would need more time than a busy machine has for it.
  it.each(['claude', 'claude-code', 'vscode', 'windsurf', 'cursor', 'docker'])(
    '%s refers to the key and to the configuration, and never prints the key',
    async (client) => {
      for (const http of [['--http'], []]) {
        const { stdout, stderr } = await outrigger([
          'client-config',
          '--client',
          client,
          '-c',
          'good.yaml',
          ...http,
        ]);
        expect(stdout + stderr).not.toContain('very-secret-key');
        expect(stdout).toMatch(/OUTRIGGER_API_KEY|input:outrigger-key/);
        if (http.length === 0 && client !== 'docker') expect(stdout).toContain(join(folder, 'good.yaml'));
      }
    },
  );
});

describe('exit codes and colours', () => {
  it.each([[['srve']], [['--bogus']], [['config', 'nope']], [['models', 'pull']]])(
    '%j is wrong use',
    async (args) => {
      expect((await outrigger(args)).code).toBe(2);
    },
  );

  it('no host is a failure', async () => {
    expect(await outrigger(['models', '--url', 'http://127.0.0.1:1'])).toMatchObject({ code: 1, stdout: '' });
  });

  it('help is not', async () => {
    expect((await outrigger(['--help'])).code).toBe(0);
    expect((await outrigger(['help', 'chat'])).stdout).toContain('--max-tokens');
  });

  it('NO_COLOR wins over everything', async () => {
    const args = ['models', '--url', 'http://127.0.0.1:1'];
    const escape = '\u001b[';
    expect((await outrigger(args, { FORCE_COLOR: '1' })).stderr).toContain(escape);
    expect((await outrigger(args, { FORCE_COLOR: '1', NO_COLOR: '1' })).stderr).not.toContain(escape);
    expect((await outrigger(args)).stderr).not.toContain(escape);
  });
});

describe('serve', () => {
  const args = ['serve', '--port', '0', '--set', 'bundledPlugins=false'];

  it('says what runs and what to try, and ends with 0 on a signal', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const running = start(fake, args, { FAKE_HOST: 'plain' });
      await printed(running, 'client-config');
      running.child.kill(signal);
      const { code, stdout, stderr } = await running.ended;
      expect(code).toBe(0);
      expect(stdout).toMatch(/runs on http:\/\/127\.0\.0\.1:\d+/);
      expect(stdout).toContain('model p/first: ready');
      expect(stdout).toContain('"model":"p/first"');
      expect(stderr).toContain('closed');
    }
  });

  it('ends at once on the second signal', async () => {
    const running = start(fake, args, { FAKE_HOST: 'stuck' });
    await printed(running, 'client-config');
    running.child.kill('SIGINT');
    await printed(running, 'closed');
    running.child.kill('SIGINT');
    expect((await running.ended).code).toBe(1);
  });

  it('ends with 0 even when something is stuck', async () => {
    const running = start(fake, args, { FAKE_HOST: 'stuck' });
    await printed(running, 'client-config');
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  it('explains a port that is taken', async () => {
    const { code, stderr } = await start(fake, args, { FAKE_HOST: 'taken' }).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('EADDRINUSE');
    expect(stderr).toContain('--port');
  });
});

describe('mcp', () => {
  it('ends with 0 on a signal', async () => {
    const running = start(fake, ['mcp', '--set', 'bundledPlugins=false'], { FAKE_HOST: 'plain', PORT: '1' });
    await printed(running, 'a stray line');
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  it('keeps stdout for the protocol and ends with 0 when stdin ends', async () => {
    const running = start(fake, ['mcp', '--set', 'bundledPlugins=false'], { FAKE_HOST: 'plain', PORT: '1' });
    running.child.stdin?.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    const { code, stdout, stderr } = await running.ended;
    expect(stdout).toBe('{"jsonrpc":"2.0","id":1,"result":{}}\n');
    expect(stderr).toContain('a stray line');
    expect(code).toBe(0);
  });

  it('ends with 0 when nobody reads any more', async () => {
    const running = start(fake, ['mcp', '--set', 'bundledPlugins=false'], { FAKE_HOST: 'plain', PORT: '1' });
    await printed(running, 'a stray line');
    running.child.stdout?.destroy();
    running.child.stdin?.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    expect((await running.ended).code).toBe(0);
  });
});
