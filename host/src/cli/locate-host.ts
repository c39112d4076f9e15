import { isLoopback } from '../config/checks.js';
import { productName } from '../version.js';
import { CliFailure } from './failure.js';
import { HostClient } from './host-client.js';
import type { HostPort } from './host-port.js';
import type { Session } from './session.js';

/** A host to talk to, running already or started for this one command. */
export interface Reached {
  readonly client: HostClient;
  /** The host inside this process, when none was running. */
  readonly own?: HostPort;
}

/** Where a running host is expected, and whether the user said so. */
export async function expectedHost(
  session: Session,
): Promise<{ url: string; apiKey: string | undefined; named: boolean }> {
  const { env } = session.around;
  const named = session.options.url ?? nonEmpty(env['OUTRIGGER_URL']) ?? nonEmpty(env['GATEWAY_URL']);
  const key =
    session.options.apiKey ?? nonEmpty(env['OUTRIGGER_API_KEY']) ?? nonEmpty(env['GATEWAY_API_KEY']);
  if (named !== undefined) return { url: baseUrl(named), apiKey: key, named: true };
  const { config } = await session.load();
  return { url: urlOf(config.server), apiKey: key ?? config.auth.apiKeys[0], named: false };
}

/** The running host at the expected place, with this key or the usual one; undefined when nothing of ours answers there. */
export async function findHost(session: Session, key?: string): Promise<HostClient | undefined> {
  const { url, apiKey, named } = await expectedHost(session);
  const client = new HostClient(url, key ?? apiKey);
  try {
    const info = await client.get('/mcp/v1/info', AbortSignal.timeout(named ? 10_000 : 1500));
    if (isOurs(info)) return client;
    if (named) throw new CliFailure(`what answers at ${url} is no Outrigger host`, { hint: 'check --url' });
  } catch (error) {
    const asksForKey = error instanceof CliFailure && error.message.includes('asks for a key');
    if (named || asksForKey) {
      await client.close();
      throw error instanceof CliFailure
        ? error
        : new CliFailure(`no host answers at ${url} in time`, { cause: error });
    }
  }
  await client.close();
  return undefined;
}

/** The running host, or one started in this process on any free port. */
export async function reachHost(session: Session): Promise<Reached> {
  const client = await findHost(session);
  if (client !== undefined) return { client };
  session.out.note('No host is running; starting one for this command. `outrigger serve` keeps one running.');
  const { config, warnings } = await session.load(
    { 'server.host': '127.0.0.1', 'server.port': 0 },
    session.quietLogs,
  );
  for (const warning of warnings) session.out.note(`warning: ${warning}`);
  const createHost = await session.around.loadHost();
  const own = await createHost(config, { env: session.around.env });
  const stop = own.onStatus?.((event) => {
    const share = event.progress === undefined ? '' : ` ${Math.round(event.progress * 100)} %`;
    session.out.progress(`${event.name}: ${event.state}${share}`);
  });
  try {
    await own.start();
    const reached = { client: new HostClient(own.address.url, config.auth.apiKeys[0]), own };
    if (!(await waitUntilSettled(reached.client, 60_000))) {
      session.out.note('Not every plugin is ready after a minute; going on without.');
    }
    return reached;
  } catch (error) {
    await own.close(0);
    throw error;
  } finally {
    stop?.();
    session.out.progress('');
  }
}

/** Runs something against a host and ends whatever was started for it. */
export async function withHost<T>(session: Session, use: (reached: Reached) => Promise<T>): Promise<T> {
  const reached = await reachHost(session);
  try {
    return await use(reached);
  } finally {
    await reached.client.close();
    await reached.own?.close(1000);
  }
}

// States of a plugin that is still on its way; in any other it has arrived or failed.
const onTheWay = new Set([
  'starting',
  'discovered',
  'connecting',
  'negotiating',
  'validating',
  'warming',
  'standby',
]);

/**
 * Waits until every plugin of a host is active or has failed, so that its list
 * of models is whole. Whether that was so within the time.
 */
export async function waitUntilSettled(
  client: HostClient,
  limitMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline && signal?.aborted !== true) {
    const settled = await client.get('/mcp/v1/plugins', AbortSignal.timeout(5000)).then(
      (answer) => {
        const { plugins } = answer as { plugins?: readonly { state?: string }[] };
        return (plugins ?? []).every(({ state }) => !onTheWay.has(state ?? ''));
      },
      () => false,
    );
    if (settled) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Our name stands at the top of the answer or one level below. */
function isOurs(info: unknown): boolean {
  const values = (value: unknown): unknown[] =>
    typeof value === 'object' && value !== null ? Object.values(value) : [];
  return [...values(info), ...values(info).flatMap(values)].includes(productName);
}

/** The address of a host by its settings, as something that can be called. */
export function urlOf(server: { readonly host: string; readonly port: number }): string {
  const anywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };
  const host =
    anywhere[server.host] ??
    (server.host.includes(':') && isLoopback(server.host) ? `[${server.host}]` : server.host);
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${server.port}`;
}

function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new CliFailure(`${text} is no address of a host`, {
      exitCode: 2,
      hint: 'write http://127.0.0.1:7070',
    });
  }
  return (url.origin + url.pathname).replace(/\/+$/, '').replace(/\/(v1|mcp)$/, '');
}

const nonEmpty = (text: string | undefined) =>
  text === undefined || text.trim() === '' ? undefined : text.trim();
