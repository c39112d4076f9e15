import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { commentOf } from './comments.js';

/** A JSON Schema, 2020-12. */
export type Schema = Record<string, unknown>;

/** Most messages in one schema; a plugin with more gets an open object there. */
const maxDefinitions = 200;

/**
 * JSON Schema of a message in the JSON form of Protocol Buffers: 64-bit integers
 * are text, bytes base64, enums their names. Messages that contain themselves or
 * are used more than once stand in `$defs`, all others where they are used, so
 * that a schema is no larger than its descriptors. `closed` refuses unknown
 * properties.
 */
export function messageSchema(message: DescMessage, closed: boolean): Schema {
  const writer = new SchemaWriter(message, closed);
  const schema = writer.message(message);
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema, ...writer.definitions() };
}

class SchemaWriter {
  private readonly shared: ReadonlySet<DescMessage>;
  private readonly defs = new Map<DescMessage, Schema | undefined>();

  constructor(
    root: DescMessage,
    private readonly closed: boolean,
  ) {
    this.shared = usedAgain(root);
  }

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
    if (!this.shared.has(desc)) return this.object(desc);
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
      .flatMap((oneof) => atMostOne(oneof.fields.map((field) => field.jsonName)));
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
}

/** Messages that are met more than once on the way through all fields. */
function usedAgain(root: DescMessage): ReadonlySet<DescMessage> {
  const seen = new Set<DescMessage>([root]);
  const again = new Set<DescMessage>();
  const open = [root];
  for (let from = open.pop(); from !== undefined; from = open.pop()) {
    for (const { message } of from.fields) {
      if (message === undefined || wellKnown[message.typeName] !== undefined) continue;
      if (seen.has(message)) again.add(message);
      else {
        seen.add(message);
        open.push(message);
      }
    }
  }
  return again;
}

function describe(comment: string): Schema {
  return comment === '' ? {} : { description: comment };
}

/** Fields of a oneof beyond which pairs become too many. */
const maxPairs = 5;

function atMostOne(names: readonly string[]): Schema[] {
  if (names.length > maxPairs) {
    const present = names.map((name) => ({ required: [name] }));
    return [{ oneOf: [...present, { not: { anyOf: present } }] }];
  }
  return names.flatMap((name, index) =>
    names.slice(index + 1).map((other) => ({ not: { required: [name, other] } })),
  );
}

/** A regular expression for the whole numbers from 0 to a limit, without leading zeros. */
function upTo(limit: bigint): string {
  const digits = limit.toString();
  const shorter = digits.length > 1 ? [`[1-9][0-9]{0,${digits.length - 2}}`] : [];
  const lower = Array.from(digits).flatMap((digit, index) => {
    const lowest = index === 0 ? 1 : 0;
    if (Number(digit) - 1 < lowest) return [];
    return [`${digits.slice(0, index)}[${lowest}-${Number(digit) - 1}][0-9]{${digits.length - index - 1}}`];
  });
  return `(?:0|${[...shorter, ...lower, digits].join('|')})`;
}

const signed = (bits: bigint): string => `^(?:${upTo(2n ** (bits - 1n) - 1n)}|-${upTo(2n ** (bits - 1n))})$`;
const unsigned = (bits: bigint): string => `^${upTo(2n ** bits - 1n)}$`;

const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });
const signedText: Schema = { type: 'string', pattern: signed(64n) };
const unsignedText: Schema = { type: 'string', pattern: unsigned(64n) };
const notANumber: Schema = { enum: ['NaN', 'Infinity', '-Infinity'] };
const maxFloat = 3.4028234663852886e38;
const double: Schema = { anyOf: [{ type: 'number' }, notANumber] };
const float: Schema = { anyOf: [{ type: 'number', minimum: -maxFloat, maximum: maxFloat }, notANumber] };
const base64: Schema = {
  type: 'string',
  contentEncoding: 'base64',
  pattern: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
};

const scalars: Readonly<Record<ScalarType, Schema>> = {
  [ScalarType.DOUBLE]: double,
  [ScalarType.FLOAT]: float,
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
  [ScalarType.BYTES]: base64,
};

function scalar(type: ScalarType): Schema {
  return { ...scalars[type] };
}

function mapKey(type: ScalarType): Schema {
  if (type === ScalarType.BOOL) return { enum: ['true', 'false'] };
  const { type: kind, minimum } = scalars[type];
  if (kind === 'string') return scalar(type);
  return { pattern: minimum === 0 ? unsigned(32n) : signed(32n) };
}

function enumeration(desc: DescEnum): Schema {
  if (desc.typeName === 'google.protobuf.NullValue') return { type: 'null' };
  return { type: 'string', enum: desc.values.map((value) => value.name), ...describe(commentOf(desc)) };
}

const nullable = (schema: Schema): Schema => ({ ...schema, type: [schema['type'], 'null'] });

/** Types with a JSON form of their own. */
const wellKnown: Readonly<Record<string, Schema>> = {
  'google.protobuf.Timestamp': {
    type: 'string',
    format: 'date-time',
    pattern: `^(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$`,
  },
  'google.protobuf.Duration': {
    type: 'string',
    pattern: `^-?${upTo(315_576_000_000n)}(?:\\.[0-9]{1,9})?s$`,
    description: 'Seconds, for example "1.5s".',
  },
  'google.protobuf.FieldMask': { type: 'string' },
  'google.protobuf.Struct': { type: 'object' },
  'google.protobuf.ListValue': { type: 'array' },
  'google.protobuf.Value': {},
  'google.protobuf.Any': { type: 'object', required: ['@type'], properties: { '@type': { type: 'string' } } },
  'google.protobuf.Empty': { type: 'object', additionalProperties: false },
  'google.protobuf.DoubleValue': { anyOf: [double, { type: 'null' }] },
  'google.protobuf.FloatValue': { anyOf: [float, { type: 'null' }] },
  'google.protobuf.Int32Value': nullable(whole(-(2 ** 31), 2 ** 31 - 1)),
  'google.protobuf.UInt32Value': nullable(whole(0, 2 ** 32 - 1)),
  'google.protobuf.Int64Value': nullable(signedText),
  'google.protobuf.UInt64Value': nullable(unsignedText),
  'google.protobuf.BoolValue': nullable({ type: 'boolean' }),
  'google.protobuf.StringValue': nullable({ type: 'string' }),
  'google.protobuf.BytesValue': nullable(base64),
};
