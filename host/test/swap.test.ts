import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const harness = fileURLToPath(new URL('../bench/swap-harness.mjs', import.meta.url));
const small = [
  '--json',
  '--callers',
  '8',
  '--streams',
  '24',
  '--swaps',
  '3',
  '--calls',
  '900',
  '--stream-ms',
  '2000',
];

interface Report {
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly failed: number;
  readonly generations: number;
  readonly straddled: { readonly call: number; readonly stream: number };
  readonly commitMs: { readonly max: number };
}

function run(...more: string[]): Promise<{ status: number | null; report: Report }> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [harness, ...small, ...more],
      { timeout: 90_000, killSignal: 'SIGKILL' },
      (_error, stdout, stderr) => {
        try {
          resolve({ status: child.exitCode, report: JSON.parse(stdout) as Report });
        } catch {
          reject(new Error(`the harness printed no report: ${stdout}${stderr}`));
        }
      },
    );
  });
}

describe('swaps under load, with real processes', () => {
  it('lose no call and no stream and leave nothing behind', async () => {
    const { status, report } = await run();
    expect(report.problems).toEqual([]);
    expect(status).toBe(0);
    expect(report.generations).toBe(4);
    expect(report.straddled.stream).toBeGreaterThan(0);
  }, 120_000);

  it('lose nothing between instances that serve Multiplex and instances that do not', async () => {
    const { status, report } = await run('--plain');
    expect(report.problems).toEqual([]);
    expect(status).toBe(0);
  }, 120_000);

  it('lose streams when the old instance is not drained: the proof can fail', async () => {
    const { status, report } = await run('--no-drain');
    expect(status).toBe(1);
    expect(report.failed).toBeGreaterThan(0);
    expect(report.problems[0]).toMatch(/taken out of service/);
  }, 120_000);
});
