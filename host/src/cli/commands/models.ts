import { entriesOf, fields, word, type Fields } from '../answer-fields.js';
import { CliFailure } from '../failure.js';
import { messageOf, type HostClient } from '../host-client.js';
import { interruption } from '../interruption.js';
import { withHost } from '../locate-host.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';
import type { SseEvent } from '../sse.js';

/** `models list`. */
export function listModels(session: Session): Promise<number> {
  return withHost(session, async ({ client }) => {
    const { out } = session;
    const models = entriesOf(await client.get('/mcp/v1/models'), 'models');
    if (out.json) {
      out.value(models);
    } else if (models.length === 0) {
      out.line(
        'No models. `outrigger models pull SOURCE` fetches one, `outrigger plugins` shows who could serve them.',
      );
    } else {
      out.table(
        ['MODEL', 'PLUGIN', 'STATE', 'CAN', 'CONTEXT', 'SIZE'],
        models.map((model) => [
          word(model, 'id'),
          word(model, 'plugin'),
          word(fields(model['state']), 'phase'),
          Object.entries(fields(model['capabilities']))
            .flatMap(([name, can]) => (can === true ? [name] : []))
            .join(' '),
          word(model, 'context_length_loaded', 'context_length'),
          bytes(Number(fields(model['weights'])['size_bytes'])),
        ]),
      );
    }
    return 0;
  });
}

/** `models pull`: shows progress until the model is there. */
export function pullModel(session: Session, source: string, plugin: string | undefined): Promise<number> {
  return withHost(session, async ({ client }) => {
    const { out } = session;
    const body = { source, stream: true, ...(plugin === undefined ? {} : { plugin }) };
    let begun = false;
    const last = await follow(session, client, '/mcp/v1/models/pull', body, (step) => {
      begun ||= Number(step['completed_bytes'] ?? 0) > 0;
    }).catch((error: unknown) => {
      if (!(error instanceof CliFailure)) throw error;
      const hint = error.hint ?? (begun ? 'the same command again goes on where it stopped' : undefined);
      throw new CliFailure(`${printable(source)} was not fetched: ${error.message}`, {
        cause: error,
        ...(hint === undefined ? {} : { hint }),
      });
    });
    if (!out.json) out.line(`${word(last, 'model') || printable(source)} is there.`);
    return 0;
  });
}

/** `models load`, `unload` and `delete`. */
export function changeModel(
  session: Session,
  verb: 'load' | 'unload' | 'delete',
  model: string,
): Promise<number> {
  return withHost(session, async ({ client }) => {
    const { out } = session;
    if (verb === 'load') await follow(session, client, '/mcp/v1/models/load', { model, stream: true });
    else if (verb === 'unload') await client.send('POST', '/mcp/v1/models/unload', { model });
    else await client.send('DELETE', `/mcp/v1/models/${model.split('/').map(encodeURIComponent).join('/')}`);
    const done = { load: 'loaded', unload: 'unloaded', delete: 'deleted' }[verb];
    if (out.json && verb !== 'load') out.jsonLine({ model, done });
    if (!out.json) out.line(`${printable(model)} is ${done}.`);
    return 0;
  });
}

/** Shows the progress of something long and returns its last step. With `--json` each step is one line. */
async function follow(
  session: Session,
  client: HostClient,
  path: string,
  body: object,
  onStep: (step: Fields) => void = () => undefined,
): Promise<Fields> {
  const { out } = session;
  const interrupted = interruption();
  let last: Fields = {};
  let whole = false;
  try {
    for await (const event of client.stream(path, body, interrupted.signal)) {
      last = { ...last, ...progressOf(event) };
      whole = event.event !== 'progress';
      onStep(last);
      if (out.json) out.jsonLine({ event: event.event, ...progressOf(event) });
      else out.progress(describeStep(last));
    }
  } finally {
    interrupted.dispose();
    if (!out.json) out.progress('');
  }
  if (!whole) throw new CliFailure('the host went away before it was done');
  return last;
}

function progressOf({ event, data }: SseEvent): Fields {
  let step: unknown;
  try {
    step = JSON.parse(data);
  } catch {
    throw new CliFailure('the host sent progress that is not JSON');
  }
  if (event === 'error') throw new CliFailure(messageOf(data, 500));
  return fields(step);
}

function describeStep(step: Fields): string {
  const total = Number(step['total_bytes'] ?? NaN);
  const completed = Number(step['completed_bytes'] ?? NaN);
  const share = total > 0 ? completed / total : Number(step['fraction'] ?? NaN);
  const parts = [word(step, 'status') || word(fields(step['state']), 'phase')];
  if (Number.isFinite(share)) parts.push(`${Math.floor(share * 100)} %`);
  if (Number.isFinite(completed))
    parts.push(total > 0 ? `${bytes(completed)} of ${bytes(total)}` : bytes(completed));
  return parts.filter((part) => part !== '').join('  ');
}

/** A number of bytes for people. */
export function bytes(count: number): string {
  if (!Number.isFinite(count) || count < 0) return '';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? ''}`;
}
