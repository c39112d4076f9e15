import { CliFailure } from './failure.js';
import type { HostClient } from './host-client.js';
import { expectedHost, findHost } from './locate-host.js';
import type { Session } from './session.js';

/**
 * Runs something against a running host with the key for administration:
 * `--api-key`, OUTRIGGER_ADMIN_KEY, admin.apiKey of the configuration, or the
 * ordinary key. None is started for it: what runs is what is administered.
 */
export async function withRunningHost<T>(
  session: Session,
  use: (client: HostClient) => Promise<T>,
): Promise<T> {
  const client = await findHost(session, await adminKey(session));
  if (client === undefined) {
    const { url } = await expectedHost(session);
    throw new CliFailure(`no host is running at ${url}`, {
      hint: 'start one with `outrigger serve`, or name another with --url',
    });
  }
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

async function adminKey(session: Session): Promise<string | undefined> {
  const { options, around } = session;
  if (options.apiKey !== undefined) return options.apiKey;
  const given = around.env['OUTRIGGER_ADMIN_KEY']?.trim();
  if (given !== undefined && given !== '') return given;
  const { named } = await expectedHost(session);
  // The keys of the own configuration are no business of a host elsewhere.
  return named ? undefined : (await session.load()).config.admin.apiKey;
}
