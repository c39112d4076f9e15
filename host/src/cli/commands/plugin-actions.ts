import { createInterface } from 'node:readline/promises';
import { fields, word } from '../answer-fields.js';
import { withRunningHost } from '../admin-client.js';
import { CliFailure } from '../failure.js';
import type { HostClient } from '../host-client.js';
import { interruption } from '../interruption.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';
import { swapTarget } from '../swap-target.js';

/** Options of `plugins swap` as the command line hands them over. */
export interface SwapOptions {
  readonly to?: string;
  readonly canary?: number;
  readonly canaryMs?: number;
  readonly canaryRequests?: number;
  readonly bakeMs?: number;
}

/** `plugins swap`: exchanges the instance of a plugin while requests run. Ctrl-C before the commit takes it back. */
export function swapPlugin(session: Session, name: string, options: SwapOptions): Promise<number> {
  const { canary, canaryMs, canaryRequests, bakeMs } = options;
  const body = {
    ...swapTarget(options.to),
    ...(canary === undefined ? {} : { canary_share: canary }),
    ...(canaryMs === undefined ? {} : { canary_ms: canaryMs }),
    ...(canaryRequests === undefined ? {} : { canary_requests: canaryRequests }),
    ...(bakeMs === undefined ? {} : { bake_ms: bakeMs }),
  };
  return withRunningHost(session, async (client) => {
    const { out } = session;
    const result = fields(await act(client, name, 'swap', body));
    if (out.json) {
      out.value(result);
      return 0;
    }
    const { from: was, to: is } = result;
    out.line(
      `${printable(name)}: ${shown(was) || 'nothing'} was exchanged for ${shown(is)}; ` +
        `prepared in ${ms(result['prepare_ms'])}, exchanged in ${ms(result['commit_ms'])}`,
    );
    if (Number(result['pause_ms']) > 0) out.note(`requests waited ${ms(result['pause_ms'])}`);
    const verdict = word(result, 'verdict');
    if (verdict !== '') out.note(`as a canary: ${verdict}`);
    return 0;
  });
}

/** `plugins drain`: lets running requests end and stops the plugin. Asks on a terminal unless told not to. */
export function drainPlugin(session: Session, name: string, yes: boolean): Promise<number> {
  return withRunningHost(session, async (client) => {
    if (!yes && !(await confirm(session, `Stop ${printable(name)} after its running requests?`))) {
      throw new CliFailure('nothing was done');
    }
    const plugin = await act(client, name, 'drain', {});
    report(session, name, plugin);
    return 0;
  });
}

/** `plugins restart`: a new instance of the same, without losing a request where one is running. */
export function restartPlugin(session: Session, name: string): Promise<number> {
  return withRunningHost(session, async (client) => {
    const plugin = await act(client, name, 'restart', {});
    report(session, name, plugin);
    return 0;
  });
}

async function act(client: HostClient, name: string, verb: string, body: object): Promise<unknown> {
  const interrupted = interruption();
  try {
    return await client.send(
      'POST',
      `/mcp/v1/plugins/${encodeURIComponent(name)}/${verb}`,
      body,
      interrupted.signal,
    );
  } catch (error) {
    throw interrupted.signal.aborted ? new CliFailure('interrupted') : error;
  } finally {
    interrupted.dispose();
  }
}

function report({ out }: Session, name: string, plugin: unknown): void {
  if (out.json) {
    out.value(plugin);
    return;
  }
  const [state, version, reason] = ['state', 'version', 'reason'].map((key) => word(fields(plugin), key));
  out.line(
    `${printable(name)} is ${state ?? ''}${version === '' ? '' : `, version ${version}`}${reason === '' ? '' : ` (${reason})`}`,
  );
}

/** Yes without a terminal: nobody is there to ask. */
async function confirm({ around }: Session, question: string): Promise<boolean> {
  if (around.stdin.isTTY !== true) return true;
  const line = createInterface({ input: around.stdin, output: around.stderr, terminal: true });
  // Ctrl-C and Ctrl-D are a no.
  const closed = new Promise<string>((resolve) => line.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([line.question(`${question} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    line.close();
  }
}

function shown(version: unknown): string {
  return typeof version === 'string' ? printable(version) : '';
}

function ms(value: unknown): string {
  const number = Number(value);
  if (!Number.isFinite(number)) return '?';
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;
}
