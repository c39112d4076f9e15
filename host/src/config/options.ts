import { z } from 'zod';
import { configSchema } from './schema.js';
import type { ConfigPath } from './paths.js';

/** What one place of the configuration accepts, as far as text has to be turned into it. */
export type OptionKind =
  'string' | 'number' | 'boolean' | 'strings' | 'object' | 'record' | 'json' | 'unknown';

/** One option of the configuration. `*` in the path stands for a name the user chooses. */
export interface Option {
  readonly path: readonly string[];
  readonly kind: OptionKind;
  readonly description: string;
  readonly schema: z.core.$ZodType;
  /** The default, where there is one. */
  readonly fallback?: unknown;
  readonly secret: boolean;
}

interface Definition {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly shape?: Record<string, z.core.$ZodType>;
  readonly valueType?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly defaultValue?: unknown;
}

const definition = (schema: z.core.$ZodType) => schema._zod.def as Definition;

/** The schema under defaults, optionals and transformations. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  const { innerType, in: input, type } = definition(schema);
  if (innerType !== undefined) return bare(innerType);
  return type === 'pipe' && input !== undefined ? bare(input) : schema;
}

function kindOf(schema: z.core.$ZodType): OptionKind {
  const { type, options = [], valueType } = definition(bare(schema));
  if (type === 'string' || type === 'enum') return 'string';
  if (type === 'number' || type === 'boolean' || type === 'object') return type;
  if (type === 'array') return 'strings';
  if (type === 'record')
    return valueType !== undefined && ['object', 'string'].includes(kindOf(valueType)) ? 'record' : 'json';
  // A union takes the text as it is when one of its members does.
  if (type === 'union') return options.some((option) => kindOf(option) === 'string') ? 'string' : 'strings';
  return 'unknown';
}

function fallbackOf(schema: z.core.$ZodType): unknown {
  const { type, innerType, defaultValue } = definition(schema);
  if (type === 'default' || type === 'prefault') return defaultValue;
  return innerType === undefined ? undefined : fallbackOf(innerType);
}

/** The schema at a path, or undefined where nothing may be. */
export function schemaAt(path: ConfigPath): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = configSchema;
  for (const key of path) {
    const { shape, valueType } = definition(bare(schema));
    if (shape !== undefined) schema = Object.hasOwn(shape, key) ? shape[key] : undefined;
    else schema = valueType;
    if (schema === undefined) return undefined;
  }
  return schema;
}

/** What is accepted at a path. */
export function kindAt(path: ConfigPath): OptionKind {
  const schema = schemaAt(path);
  return schema === undefined ? 'unknown' : kindOf(schema);
}

/** The keys that an object at a path may have; empty where any may be. */
export function keysAt(path: ConfigPath): string[] {
  const schema = schemaAt(path);
  return schema === undefined ? [] : Object.keys(definition(bare(schema)).shape ?? {});
}

/** Every option, in the order of the schema; sections themselves are left out. */
export function listOptions(schema: z.core.$ZodType = configSchema, path: readonly string[] = []): Option[] {
  const { shape, valueType } = definition(bare(schema));
  const inside =
    shape !== undefined
      ? Object.entries(shape).map(([key, child]) => ({ key, child }))
      : valueType !== undefined && definition(bare(valueType)).shape !== undefined
        ? [{ key: '*', child: valueType }]
        : undefined;
  if (inside !== undefined) return inside.flatMap(({ key, child }) => listOptions(child, [...path, key]));
  const meta = z.globalRegistry.get(schema) ?? {};
  const fallback = fallbackOf(schema);
  return [
    {
      path,
      schema,
      kind: kindOf(schema),
      description: meta.description ?? '',
      secret: meta['writeOnly'] === true,
      ...(fallback === undefined ? {} : { fallback }),
    },
  ];
}
