import { fields, word } from '../answer-fields.js';
import { withRunningHost } from '../admin-client.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';

/** `config reload`: 0 when the running host has taken its configuration, 1 with the reason otherwise. */
export function reloadConfig(session: Session): Promise<number> {
  return withRunningHost(session, async (client) => {
    const { out } = session;
    const report = fields(await client.send('POST', '/mcp/v1/config/reload', {}));
    if (out.json) {
      out.value(report);
      return 0;
    }
    const { warnings } = report;
    for (const warning of Array.isArray(warnings) ? warnings : [])
      out.note(`warning: ${printable(String(warning))}`);
    const changes = Object.entries(fields(report['plugins'])).flatMap(([verb, names]) =>
      Array.isArray(names) && names.length > 0 && verb !== 'refused' ? [`${verb} ${names.join(', ')}`] : [],
    );
    const told = changes.length === 0 ? 'the plugins are as they were' : printable(changes.join('; '));
    out.line(`Configuration ${word(report, 'generation')} is in force: ${told}.`);
    return 0;
  });
}
