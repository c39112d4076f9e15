import type { z } from 'zod';

/** What a schema reads of a value: the keys of an object, by which the forms of a union are told apart as well. */
interface Reading {
  /** Of an object; undefined values are not looked into. */
  readonly keys?: ReadonlyMap<string, Reading | undefined>;
  /** Of the entries of a list. */
  readonly entry?: Reading | undefined;
  /** Of an object, by the value of a key of it. */
  readonly forms?: { readonly key: string; readonly of: ReadonlyMap<unknown, Reading | undefined> };
}

/** Most keys that are told of one body. */
const mostKeys = 16;

/** Finds the keys within objects and lists that a schema lets through and nobody reads. */
export class UnreadKeys {
  private readonly reading: Reading | undefined;

  constructor(schema: z.ZodType) {
    this.reading = readingOf(schema);
  }

  /**
   * Adds what `value` holds unread to `found`, by its path from `name`: `messages[0].colour`. The same key of
   * further entries of a list is not told again; nor is what asks for nothing, `null` and empty lists.
   */
  collect(name: string, value: unknown, found: Map<string, unknown>): void {
    if (value === undefined || value === null) return;
    const told = new Set<string>();
    const tell = (path: string, kind: string, unread: unknown): void => {
      if (told.has(kind) || told.size >= mostKeys) return;
      told.add(kind);
      found.set(path, unread);
    };
    if (this.reading !== undefined) walk(value, this.reading, name, name, tell);
  }
}

function walk(
  value: unknown,
  reading: Reading,
  path: string,
  kind: string,
  tell: (path: string, kind: string, unread: unknown) => void,
): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const { entry } = reading;
    if (entry === undefined) return;
    for (let at = 0; at < value.length; at++) walk(value[at], entry, `${path}[${at}]`, `${kind}[]`, tell);
    return;
  }
  const members = value as Readonly<Record<string, unknown>>;
  const { forms } = reading;
  const keys = forms === undefined ? reading.keys : forms.of.get(members[forms.key])?.keys;
  if (keys === undefined) return;
  for (const key in members) {
    const member = members[key];
    if (typeof member !== 'object' && keys.has(key)) continue;
    if (member === null || member === undefined) continue;
    if (keys.has(key)) {
      const inner = keys.get(key);
      if (inner !== undefined) walk(member, inner, `${path}.${key}`, `${kind}.${key}`, tell);
    } else if (!Array.isArray(member) || member.length > 0) {
      const shown = key.slice(0, 64);
      tell(`${path}.${shown}`, `${kind}.${shown}`, member);
    }
  }
}

/** The parts of zod's definitions that are looked at. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly values?: readonly unknown[];
}

const definitionOf = (schema: z.ZodType): Definition => schema._zod.def;

/** What a schema reads; undefined when there is nothing to look into. */
function readingOf(schema: z.ZodType): Reading | undefined {
  const { type, shape, element, innerType, options = [], discriminator } = definitionOf(schema);
  switch (type) {
    case 'object':
      return { keys: new Map(Object.entries(shape ?? {}).map(([key, inner]) => [key, readingOf(inner)])) };
    case 'array':
      return { entry: element && readingOf(element) };
    case 'optional':
    case 'nullable':
      return innerType && readingOf(innerType);
    case 'union':
      return discriminator === undefined ? together(options) : { forms: formsOf(options, discriminator) };
    default:
      return undefined;
  }
}

/** Of a union whose forms are told apart by their types: one of them is read as a list, one as an object. */
function together(options: readonly z.ZodType[]): Reading | undefined {
  const readings = options.map(readingOf).filter((reading) => reading !== undefined);
  return readings.length === 0 ? undefined : (Object.assign({}, ...readings) as Reading);
}

function formsOf(options: readonly z.ZodType[], key: string): NonNullable<Reading['forms']> {
  const of = new Map<unknown, Reading | undefined>();
  for (const option of options) {
    const tag = definitionOf(option).shape?.[key];
    const reading = readingOf(option);
    for (const value of tag === undefined ? [] : (definitionOf(tag).values ?? [])) of.set(value, reading);
  }
  return { key, of };
}
