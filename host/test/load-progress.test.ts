import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../../scripts/testing/host-process.mjs';
import { program } from './support/command.js';

const plugin = fileURLToPath(new URL('./fixtures/slow-loader-plugin.mjs', import.meta.url));

/** util-linux gives a program a terminal. */
const hasScript = String(spawnSync('script', ['--version']).stdout).includes('util-linux');
const describeOnTerminal = hasScript
  ? describe
  : (describe.skip as (title: string, body: () => void) => void);

interface Serving {
  readonly url: string;
  readonly output: () => string;
  /** Lets the model load as far as this. */
  readonly step: (share: number) => void;
}

let stop: () => Promise<void> = () => Promise.resolve();
afterEach(() => stop());

/** Starts `serve`, on a terminal or not. */
async function serve(terminal: boolean): Promise<Serving> {
  const folder = mkdtempSync(join(tmpdir(), 'progress-'));
  const steps = join(folder, 'steps');
  const step = (share: number) => writeFileSync(steps, String(share));
  step(0);
  const config = {
    bundledPlugins: false,
    server: { port: 0 },
    plugins: { slow: { command: [process.execPath, plugin], env: { STEPS_FILE: steps } } },
  };
  writeFileSync(join(folder, 'outrigger.json'), JSON.stringify(config));
  const command = [process.execPath, program, 'serve'];
  const [file = '', ...args] = terminal
    ? [
        'script',
        '--quiet',
        '--return',
        '--command',
        command.map((word) => `'${word}'`).join(' '),
        '/dev/null',
      ]
    : command;
  const child = spawn(file, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, TERM: 'xterm', NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  stop = async () => {
    // Ctrl-C as a terminal sends it; without one, as a shell does.
    if (terminal) child.stdin.write('\u0003');
    else child.kill('SIGINT');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  const url = await until(() => /runs on (http:\S+)/.exec(text)?.[1], 'the host listens');
  await until(
    async () => (await (await fetch(`${url}/v1/models`)).text()).includes('slow/big'),
    'the model is listed',
  );
  return { url, output: () => text, step };
}

const post = (url: string, path: string, body: object) =>
  fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describeOnTerminal('on a terminal, serve shows how far a model has come', () => {
  it.each([
    ['that a request waits for', '/v1/completions', { model: 'slow/big', prompt: 'x' }],
    ['that is loaded over the API', '/mcp/v1/models/load', { model: 'slow/big' }],
  ])(
    '%s',
    async (_what, path, body) => {
      const { url, output, step } = await serve(true);
      const answer = post(url, path, body);
      await until(() => output().includes('slow/big loading'), 'the beginning');
      for (const percent of [20, 40, 90]) {
        step(percent / 100);
        await until(() => output().includes(`] ${percent} %`), `${percent} %`);
      }
      step(1);
      expect((await answer).status).toBe(200);
      await until(() => output().includes('model slow/big: ready'), 'the end');
      // Nothing of the line is left where the next one begins.
      expect(output()).toMatch(/\r\u001b\[K {2}model slow\/big: ready\r\n/);
    },
    60_000,
  );

  it('and why it did not come', async () => {
    const { url, output, step } = await serve(true);
    const answer = post(url, '/v1/completions', { model: 'slow/big', prompt: 'fail' });
    await until(() => output().includes('slow/big loading'), 'the beginning');
    step(0.5);
    expect((await answer).status).toBe(503);
    await until(() => output().includes('model slow/big: failed (the model does not fit)'), 'the reason');
  }, 60_000);
});

it('without a terminal only the outcome is told', async () => {
  const { url, output, step } = await serve(false);
  const answer = post(url, '/mcp/v1/models/load', { model: 'slow/big', stream: true });
  step(0.5);
  step(1);
  expect(await (await answer).text()).toContain('event: done');
  await until(() => output().includes('model slow/big: ready'), 'the end');
  expect(output()).not.toMatch(/\r|%/);
}, 60_000);
