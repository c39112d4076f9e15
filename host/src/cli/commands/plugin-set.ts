import { setTimeout as sleep } from 'node:timers/promises';
import { withRunningHost } from '../admin-client.js';
import { fields, word } from '../answer-fields.js';
import { CliFailure } from '../failure.js';
import type { HostClient } from '../host-client.js';
import { interruption } from '../interruption.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';
import { swapTarget } from '../swap-target.js';

/** How often a plugin that starts is looked at, in milliseconds. */
const lookMs = 100;

/** `plugins add`: adds a plugin and waits until it serves or has failed. Ctrl-C only ends the waiting. */
export function addPlugin(
  session: Session,
  name: string,
  target: string,
  config: object | undefined,
): Promise<number> {
  const body = { name, ...swapTarget(target), ...(config === undefined ? {} : { config }) };
  return withRunningHost(session, async (client) => {
    const { out } = session;
    await client.send('POST', '/mcp/v1/plugins', body);
    const plugin = await started(client, name);
    if (out.json) out.value(plugin);
    const [state, version, reason] = ['state', 'version', 'reason'].map((key) => word(plugin, key));
    if (state === 'active') {
      if (!out.json) out.line(`${printable(name)} is active, version ${printable(version ?? '')}`);
      return 0;
    }
    throw new CliFailure(`${printable(name)} was added and is ${state ?? ''}: ${printable(reason ?? '')}`, {
      hint: `it is tried again; \`outrigger plugins remove ${printable(name)}\` takes it out`,
    });
  });
}

/** `plugins remove`: takes out a plugin that `add` added. */
export function removePlugin(session: Session, name: string): Promise<number> {
  return withRunningHost(session, async (client) => {
    const answer = await client.send('DELETE', `/mcp/v1/plugins/${encodeURIComponent(name)}`);
    if (session.out.json) session.out.value(answer);
    else session.out.line(`${printable(name)} was taken out`);
    return 0;
  });
}

async function started(client: HostClient, name: string): Promise<ReturnType<typeof fields>> {
  const interrupted = interruption();
  try {
    for (;;) {
      const plugin = fields(await client.get(`/mcp/v1/plugins/${encodeURIComponent(name)}`));
      if (word(plugin, 'state') !== 'starting' || interrupted.signal.aborted) return plugin;
      await sleep(lookMs, undefined, { signal: interrupted.signal }).catch(() => undefined);
    }
  } finally {
    interrupted.dispose();
  }
}
