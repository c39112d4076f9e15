import { printable } from './output.js';

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
