import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { commentOf } from './comments.js';

/** A JSON Schema, 2020-12. */
export type Schema = Record<string, unknown>;

/** Most messages in one schema; a plugin with more gets an open object there. */
const maxDefinitions = 200;

/**
 * JSON Schema of a message in the JSON form of Protocol Buffers: 64-bit integers
 * are text, bytes base64, enums their names. Messages that contain themselves
 * stand in `$defs`, all others where they are used. `closed` refuses unknown
 * properties.
 */
export function messageSchema(message: DescMessage, closed: boolean): Schema {
  const writer = new SchemaWriter(closed);
  const schema = writer.message(message);
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema, ...writer.definitions() };
}

class SchemaWriter {
  private readonly recursive = new Map<DescMessage, boolean>();
  private readonly defs = new Map<DescMessage, Schema | undefined>();

  constructor(private readonly closed: boolean) {}

  definitions(): Schema {
    if (this.defs.size === 0) return {};
    return {
      $defs: Object.fromEntries([...this.defs].map(([desc, schema]) => [desc.typeName, schema ?? {}])),
    };
  }

  message(desc: DescMessage): Schema {
    return wellKnown[desc.typeName] ?? this.object(desc);
  }

  private reference(desc: DescMessage): Schema {
    const known = wellKnown[desc.typeName];
    if (known !== undefined) return { ...known };
    if (!this.isRecursive(desc)) return this.object(desc);
    if (!this.defs.has(desc)) {
      if (this.defs.size >= maxDefinitions) return { type: 'object' };
      // Entered before it is written: it refers to itself.
      this.defs.set(desc, undefined);
      this.defs.set(desc, this.object(desc));
    }
    return { $ref: `#/$defs/${desc.typeName}` };
  }

  private object(desc: DescMessage): Schema {
    const exclusive = desc.oneofs
      .filter((oneof) => oneof.fields.length > 1)
      .flatMap((oneof) => pairs(oneof.fields.map((field) => field.jsonName)))
      .map((pair) => ({ not: { required: pair } }));
    return {
      ...describe(commentOf(desc)),
      type: 'object',
      properties: Object.fromEntries(desc.fields.map((field) => [field.jsonName, this.field(field)])),
      ...(this.closed ? { additionalProperties: false } : {}),
      ...(exclusive.length > 0 ? { allOf: exclusive } : {}),
    };
  }

  private field(field: DescField): Schema {
    const description = describe(commentOf(field));
    switch (field.fieldKind) {
      case 'scalar':
        return { ...scalar(field.scalar), ...description };
      case 'enum':
        return { ...enumeration(field.enum), ...description };
      case 'message':
        return { ...this.reference(field.message), ...description };
      case 'list':
        return {
          type: 'array',
          items:
            field.listKind === 'scalar'
              ? scalar(field.scalar)
              : field.listKind === 'enum'
                ? enumeration(field.enum)
                : this.reference(field.message),
          ...description,
        };
      case 'map':
        return {
          type: 'object',
          ...(field.mapKey === ScalarType.STRING ? {} : { propertyNames: mapKey(field.mapKey) }),
          additionalProperties:
            field.mapKind === 'scalar'
              ? scalar(field.scalar)
              : field.mapKind === 'enum'
                ? enumeration(field.enum)
                : this.reference(field.message),
          ...description,
        };
    }
  }

  /** True when a message contains itself, however deep. */
  private isRecursive(desc: DescMessage): boolean {
    let known = this.recursive.get(desc);
    if (known === undefined) {
      known = reaches(desc, desc, new Set());
      this.recursive.set(desc, known);
    }
    return known;
  }
}

function reaches(from: DescMessage, target: DescMessage, seen: Set<DescMessage>): boolean {
  for (const field of from.fields) {
    const { message } = field;
    if (message === undefined) continue;
    if (message === target) return true;
    if (seen.has(message)) continue;
    seen.add(message);
    if (reaches(message, target, seen)) return true;
  }
  return false;
}

function describe(comment: string): Schema {
  return comment === '' ? {} : { description: comment };
}

function pairs(names: readonly string[]): [string, string][] {
  return names.flatMap((name, index) =>
    names.slice(index + 1).map((other): [string, string] => [name, other]),
  );
}

const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });
const signedText: Schema = { type: 'string', pattern: '^-?[0-9]{1,19}$' };
const unsignedText: Schema = { type: 'string', pattern: '^[0-9]{1,20}$' };

const scalars: Readonly<Record<ScalarType, Schema>> = {
  [ScalarType.DOUBLE]: { type: 'number' },
  [ScalarType.FLOAT]: { type: 'number' },
  [ScalarType.INT32]: whole(-(2 ** 31), 2 ** 31 - 1),
  [ScalarType.SINT32]: whole(-(2 ** 31), 2 ** 31 - 1),
  [ScalarType.SFIXED32]: whole(-(2 ** 31), 2 ** 31 - 1),
  [ScalarType.UINT32]: whole(0, 2 ** 32 - 1),
  [ScalarType.FIXED32]: whole(0, 2 ** 32 - 1),
  [ScalarType.INT64]: signedText,
  [ScalarType.SINT64]: signedText,
  [ScalarType.SFIXED64]: signedText,
  [ScalarType.UINT64]: unsignedText,
  [ScalarType.FIXED64]: unsignedText,
  [ScalarType.BOOL]: { type: 'boolean' },
  [ScalarType.STRING]: { type: 'string' },
  [ScalarType.BYTES]: { type: 'string', contentEncoding: 'base64', pattern: '^[A-Za-z0-9+/_-]*={0,2}$' },
};

function scalar(type: ScalarType): Schema {
  return { ...scalars[type] };
}

function mapKey(type: ScalarType): Schema {
  if (type === ScalarType.BOOL) return { enum: ['true', 'false'] };
  const { type: kind } = scalars[type];
  return kind === 'string' ? scalar(type) : { pattern: '^-?[0-9]{1,20}$' };
}

function enumeration(desc: DescEnum): Schema {
  if (desc.typeName === 'google.protobuf.NullValue') return { type: 'null' };
  return { type: 'string', enum: desc.values.map((value) => value.name), ...describe(commentOf(desc)) };
}

const nullable = (schema: Schema): Schema => ({ ...schema, type: [schema['type'], 'null'] });

/** Types with a JSON form of their own. */
const wellKnown: Readonly<Record<string, Schema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': {
    type: 'string',
    pattern: '^-?[0-9]+(\\.[0-9]{1,9})?s$',
    description: 'Seconds, for example "1.5s".',
  },
  'google.protobuf.FieldMask': { type: 'string' },
  'google.protobuf.Struct': { type: 'object' },
  'google.protobuf.ListValue': { type: 'array' },
  'google.protobuf.Value': {},
  'google.protobuf.Any': { type: 'object', required: ['@type'], properties: { '@type': { type: 'string' } } },
  'google.protobuf.Empty': { type: 'object', additionalProperties: false },
  'google.protobuf.DoubleValue': nullable({ type: 'number' }),
  'google.protobuf.FloatValue': nullable({ type: 'number' }),
  'google.protobuf.Int32Value': nullable(whole(-(2 ** 31), 2 ** 31 - 1)),
  'google.protobuf.UInt32Value': nullable(whole(0, 2 ** 32 - 1)),
  'google.protobuf.Int64Value': nullable(signedText),
  'google.protobuf.UInt64Value': nullable(unsignedText),
  'google.protobuf.BoolValue': nullable({ type: 'boolean' }),
  'google.protobuf.StringValue': nullable({ type: 'string' }),
  'google.protobuf.BytesValue': nullable({ type: 'string', contentEncoding: 'base64' }),
};
