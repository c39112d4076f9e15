import { CliFailure } from '../failure.js';
import { messageOf } from '../host-client.js';
import { withHost } from '../locate-host.js';
import { printable } from '../output.js';
import type { Session } from '../session.js';
import type { SseEvent } from '../sse.js';

type Fields = Readonly<Record<string, unknown>>;

/** The entries of a list, whatever key it stands under. */
export function entriesOf(answer: unknown, ...keys: readonly string[]): Fields[] {
  const body = (answer ?? {}) as Fields;
  const list = Array.isArray(answer) ? answer : [...keys, 'data'].map((key) => body[key]).find(Array.isArray);
  return (list ?? []).filter((entry): entry is Fields => typeof entry === 'object' && entry !== null);
}

/** Names of models in an answer of `/v1/models`. */
export function modelNames(answer: unknown): string[] {
  return entriesOf(answer, 'models').flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
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
        ['MODEL', 'PLUGIN', 'STATE', 'CONTEXT', 'SIZE'],
        models.map((model) => [
          word(model, 'id', 'name'),
          word(model, 'plugin', 'owned_by'),
          word(model, 'state'),
          word(model, 'context_length', 'contextLength', 'max_context_length'),
          bytes(Number(pick(model, 'size_bytes', 'sizeBytes', 'size'))),
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
    const body = { source, ...(plugin === undefined ? {} : { plugin }) };
    const interrupted = interruption();
    let model: string | undefined;
    try {
      for await (const event of client.stream('/mcp/v1/models/pull', body, interrupted.signal)) {
        const step = progressOf(event);
        if (out.json) out.jsonLine(step);
        else out.progress(describeStep(step));
        const name = word(step, 'model', 'id');
        if (name !== '') model = name;
      }
    } finally {
      interrupted.dispose();
      if (!out.json) out.progress('');
    }
    if (!out.json) out.line(model === undefined ? `${printable(source)} is there.` : `${model} is there.`);
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
    let last: Fields = {};
    if (verb === 'delete') {
      last = ((await client.send('DELETE', `/mcp/v1/models/${encodeURIComponent(model)}`)) ?? {}) as Fields;
    } else {
      const interrupted = interruption();
      try {
        for await (const event of client.stream(`/mcp/v1/models/${verb}`, { model }, interrupted.signal)) {
          if (event.data.trim() === '') continue;
          last = progressOf(event);
          if (!out.json) out.progress(describeStep(last));
        }
      } finally {
        interrupted.dispose();
        if (!out.json) out.progress('');
      }
    }
    const done = { load: 'loaded', unload: 'unloaded', delete: 'deleted' }[verb];
    if (out.json) out.value({ model, ...last, done });
    else out.line(`${printable(model)} is ${done}.`);
    return 0;
  });
}

function progressOf({ event, data }: SseEvent): Fields {
  if (data === '[DONE]') return {};
  let step: unknown;
  try {
    step = JSON.parse(data);
  } catch {
    throw new CliFailure('the host sent progress that is not JSON');
  }
  const fields = (typeof step === 'object' && step !== null ? step : {}) as Fields;
  if (event === 'error' || fields['error'] !== undefined) throw new CliFailure(messageOf(data, 500));
  return fields;
}

function describeStep(step: Fields): string {
  const total = Number(pick(step, 'total_bytes', 'totalBytes'));
  const completed = Number(pick(step, 'completed_bytes', 'completedBytes'));
  const fraction = Number(pick(step, 'fraction', 'progress'));
  const share = total > 0 && Number.isFinite(completed) ? completed / total : fraction;
  const parts = [word(step, 'status', 'state')];
  if (Number.isFinite(share)) parts.push(`${Math.floor(share * 100)} %`);
  if (Number.isFinite(completed))
    parts.push(total > 0 ? `${bytes(completed)} of ${bytes(total)}` : bytes(completed));
  return parts.filter((part) => part !== '').join('  ');
}

function interruption(): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const stop = () => controller.abort(new CliFailure('interrupted'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return { signal: controller.signal, dispose: () => process.off('SIGINT', stop).off('SIGTERM', stop) };
}

function pick(fields: Fields, ...names: readonly string[]): unknown {
  return names.map((name) => fields[name]).find((value) => value !== undefined && value !== null);
}

/** A field as one printable word; empty where it is missing. */
export function word(fields: Fields, ...names: readonly string[]): string {
  const value = pick(fields, ...names);
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
