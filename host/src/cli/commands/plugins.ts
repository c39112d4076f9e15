import { stringify } from 'yaml';
import { nearest } from '../../config/nearest.js';
import { CliFailure } from '../failure.js';
import { withHost } from '../locate-host.js';
import type { Session } from '../session.js';
import { entriesOf, word } from './models.js';

/** `plugins list`. */
export function listPlugins(session: Session): Promise<number> {
  return withHost(session, async ({ client }) => {
    const { out } = session;
    const plugins = entriesOf(await client.get('/mcp/v1/plugins'), 'plugins');
    if (out.json) {
      out.value(plugins);
    } else if (plugins.length === 0) {
      out.line('No plugins. docs/config.md shows how to name one.');
    } else {
      out.table(
        ['PLUGIN', 'VERSION', 'RUNTIME', 'STATE', 'RESTARTS', ''],
        plugins.map((plugin) => [
          word(plugin, 'name'),
          word(plugin, 'version'),
          word(plugin, 'runtime'),
          word(plugin, 'state'),
          word(plugin, 'restarts'),
          word(plugin, 'reason'),
        ]),
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
