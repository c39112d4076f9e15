import type { z } from 'zod';
import { pathText } from './validation.js';

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
    if (this.reading !== undefined) new Walk(found, name).into(value, this.reading);
  }
}

/** One look through a value. Paths are written only for what is found: nearly always that is nothing. */
class Walk {
  private readonly trail: (string | number)[];
  private told: Set<string> | undefined;

  constructor(
    private readonly found: Map<string, unknown>,
    name: string,
  ) {
    this.trail = [name];
  }

  into(value: unknown, reading: Reading): void {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) this.list(value, reading);
    else this.object(value as Readonly<Record<string, unknown>>, reading);
  }

  private list(entries: readonly unknown[], { entry }: Reading): void {
    if (entry === undefined) return;
    const { trail } = this;
    const depth = trail.push(0);
    for (let at = 0; at < entries.length; at++) {
      trail[depth - 1] = at;
      this.into(entries[at], entry);
    }
    trail.pop();
  }

  private object(members: Readonly<Record<string, unknown>>, { forms, keys: own }: Reading): void {
    const keys = forms === undefined ? own : forms.of.get(members[forms.key])?.keys;
    if (keys === undefined) return;
    for (const key in members) {
      const member = members[key];
      if (member === null || member === undefined) continue;
      if (!keys.has(key)) {
        if (!Array.isArray(member) || member.length > 0) this.tell(key.slice(0, 64), member);
        continue;
      }
      const inner = keys.get(key);
      if (inner === undefined) continue;
      this.trail.push(key);
      this.into(member, inner);
      this.trail.pop();
    }
  }

  private tell(key: string, value: unknown): void {
    const told = (this.told ??= new Set());
    const steps = [...this.trail, key];
    const kind = pathText(steps.map((step) => (typeof step === 'number' ? 0 : step)));
    if (told.has(kind) || told.size >= mostKeys) return;
    told.add(kind);
    this.found.set(pathText(steps), value);
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
