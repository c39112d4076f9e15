import { stringify } from 'yaml';
import { entriesOf, word, type Fields } from '../answer-fields.js';
import { nearest } from '../../config/nearest.js';
import { CliFailure } from '../failure.js';
import { withHost } from '../locate-host.js';
import type { Session } from '../session.js';

/** `plugins list`. */
export function listPlugins(session: Session): Promise<number> {
  return withHost(session, async ({ client }) => {
    const { out } = session;
    const plugins = entriesOf(await client.get('/mcp/v1/plugins'), 'plugins');
    if (out.json) {
      out.value(plugins);
    } else if (plugins.length === 0) {
      out.line('No plugins. host/docs/config.md shows how to name one.');
    } else {
      out.table(
        ['PLUGIN', 'VERSION', 'STATE', 'RESTARTS', 'INSTANCE', 'IN FLIGHT', 'SERVED', 'FAILED', ''],
        plugins.flatMap(rowsOf),
      );
    }
    return 0;
  });
}

/** `plugins show`: everything the host tells about one plugin. */
export function showPlugin(session: Session, name: string): Promise<number> {
  return withHost(session, async ({ client }) => {
    const plugins = entriesOf(await client.get('/mcp/v1/plugins'), 'plugins');
    const plugin = plugins.find((candidate) => candidate['name'] === name);
    if (plugin === undefined) {
      const names = plugins.map((candidate) => word(candidate, 'name'));
      const near = nearest(name, names);
      throw new CliFailure(`there is no plugin "${name}"`, {
        hint: near === undefined ? `there are: ${names.join(', ') || 'none'}` : `did you mean "${near}"?`,
      });
    }
    if (session.out.json) session.out.value(plugin);
    else session.out.stdout.write(stringify(plugin));
    return 0;
  });
}

/** A plugin with its active instance, and a row for each further instance. */
function rowsOf(plugin: Fields): string[][] {
  const name = word(plugin, 'name');
  const state = word(plugin, 'state');
  const retryAt = Number(plugin['retry_at'] ?? NaN);
  const reasons = [word(plugin, 'reason')];
  if (retryAt > Date.now()) reasons.push(`again in ${Math.ceil((retryAt - Date.now()) / 1000)} s`);
  const queued = Number(plugin['queued'] ?? 0);
  if (queued > 0) reasons.push(`${queued} waiting`);
  const warnings = plugin['warnings'];
  if (Array.isArray(warnings) && warnings.length > 0) {
    reasons.push(`warnings: ${warnings.length}, see outrigger plugins show ${name}`);
  }
  const told = reasons.filter((reason) => reason !== '').join('; ');
  const instances = entriesOf(plugin['instances']);
  if (instances.length === 0) {
    return [[name, word(plugin, 'version'), state, word(plugin, 'restarts'), '', '', '', '', told]];
  }
  return instances.map((instance, index) => [
    index === 0 ? name : '',
    word(instance, 'version'),
    word(instance, 'state'),
    index === 0 ? word(plugin, 'restarts') : '',
    word(instance, 'instance_id').slice(0, 8),
    word(instance, 'in_flight'),
    word(instance, 'served'),
    word(instance, 'failed'),
    index === 0 && told !== '' ? told : word(instance, 'reason'),
  ]);
}
