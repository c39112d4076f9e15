import { CliFailure } from '../failure.js';
import { messageOf, type HostClient } from '../host-client.js';
import { interruption } from '../interruption.js';
import { withHost } from '../locate-host.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';
import type { SseEvent } from '../sse.js';

/** A JSON object of the host, not trusted to have any of its fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** The entries of a list, whatever key it stands under. */
export function entriesOf(answer: unknown, ...keys: readonly string[]): Fields[] {
  const body = (answer ?? {}) as Fields;
  const list = Array.isArray(answer) ? answer : [...keys, 'data'].map((key) => body[key]).find(Array.isArray);
  return (list ?? []).filter((entry): entry is Fields => typeof entry === 'object' && entry !== null);
}

/**
 * The model to talk to when nobody names one, from an answer of `/mcp/v1/models`:
 * one that can chat as far as is known, and of those one that is ready. Where its
 * plugin prefers another, that one: what was loaded last is a matter of chance.
 */
export function chatModel(answer: unknown): string | undefined {
  const candidates = entriesOf(answer, 'models').filter(
    (model) => typeof model['id'] === 'string' && fields(model['capabilities'])['chat'] !== false,
  );
  const ready = candidates.find((model) => fields(model['state'])['phase'] === 'ready');
  const found = ready ?? candidates[0];
  const preferred = candidates.find(
    (model) => model['plugin'] === found?.['plugin'] && model['preferred'] === true,
  );
  return (preferred ?? found)?.['id'] as string | undefined;
}

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

/** A value as an object; anything else counts as an empty one. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function pick(from: Fields, ...names: readonly string[]): unknown {
  return names.map((name) => from[name]).find((value) => value !== undefined && value !== null);
}

/** A field as one printable word; empty where it is missing. */
export function word(from: Fields, ...names: readonly string[]): string {
  const value = pick(from, ...names);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? printable(String(value))
    : '';
}

/** A number of bytes for people. */
export function bytes(count: number): string {
  if (!Number.isFinite(count) || count < 0) return '';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? ''}`;
}
