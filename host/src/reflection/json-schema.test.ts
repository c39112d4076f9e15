import { describe, expect, it } from '@jest/globals';
import {
  create,
  fromJson,
  toJson,
  type DescField,
  type DescMessage,
  type FileRegistry,
  type JsonObject,
  type JsonValue,
} from '@bufbuild/protobuf';
import {
  DurationSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { link } from './descriptors.js';
import { messageSchema } from './json-schema.js';

const scalarTypes = [
  Type.DOUBLE,
  Type.FLOAT,
  Type.INT64,
  Type.UINT64,
  Type.INT32,
  Type.FIXED64,
  Type.FIXED32,
  Type.BOOL,
  Type.STRING,
  Type.BYTES,
  Type.UINT32,
  Type.SFIXED32,
  Type.SFIXED64,
  Type.SINT32,
  Type.SINT64,
] as const;
const others = [
  '.google.protobuf.Timestamp',
  '.google.protobuf.Duration',
  '.google.protobuf.Struct',
  '.google.protobuf.Int64Value',
  '.t.Kind',
  '.t.M',
  '.t.Leaf',
];

/** What a generated message is made of. */
interface FieldPlan {
  readonly type: Type | string;
  readonly repeated: boolean;
  readonly oneof: boolean;
}

const plan: fc.Arbitrary<FieldPlan[]> = fc.array(
  fc.record({
    type: fc.oneof(fc.constantFrom<Type | string>(...scalarTypes), fc.constantFrom<Type | string>(...others)),
    repeated: fc.boolean(),
    oneof: fc.boolean(),
  }),
  { minLength: 1, maxLength: 9 },
);

function field(name: string, number: number, { type, repeated, oneof }: FieldPlan) {
  const named = typeof type === 'string';
  return create(FieldDescriptorProtoSchema, {
    name,
    number,
    type: !named ? type : type === '.t.Kind' ? Type.ENUM : Type.MESSAGE,
    ...(named ? { typeName: type } : {}),
    label: repeated ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
    ...(oneof && !repeated ? { oneofIndex: 0 } : {}),
  });
}

function build(fields: readonly FieldPlan[]): { registry: FileRegistry; message: DescMessage } {
  const leaf = [field('word', 1, { type: Type.STRING, repeated: false, oneof: false })];
  const file = create(FileDescriptorProtoSchema, {
    name: 't.proto',
    package: 't',
    syntax: 'proto3',
    dependency: [
      'google/protobuf/timestamp.proto',
      'google/protobuf/duration.proto',
      'google/protobuf/struct.proto',
      'google/protobuf/wrappers.proto',
    ],
    enumType: [
      {
        name: 'Kind',
        value: [
          { name: 'KIND_A', number: 0 },
          { name: 'KIND_B', number: 1 },
        ],
      },
    ],
    messageType: [
      { name: 'Leaf', field: leaf },
      {
        name: 'M',
        field: fields.map((one, index) => field(`field_${index}`, index + 1, one)),
        oneofDecl: fields.some(({ oneof, repeated }) => oneof && !repeated) ? [{ name: 'choice' }] : [],
      },
    ],
  });
  const known = [
    file_google_protobuf_timestamp,
    file_google_protobuf_duration,
    file_google_protobuf_struct,
    file_google_protobuf_wrappers,
  ];
  const registry = link([...known.map(({ proto }) => proto), file]);
  const message = registry.getMessage('t.M');
  if (message === undefined) throw new Error('t.M is not there');
  return { registry, message };
}

/** JSON of the canonical form, by descriptor. */
function json(message: DescMessage, depth: number): fc.Arbitrary<JsonValue> {
  const special = specials[message.typeName];
  if (special !== undefined) return special;
  const fields = message.fields.filter(({ message: inner }) => depth > 0 || inner === undefined);
  const whole = fc.record(Object.fromEntries(fields.map((one) => [one.jsonName, value(one, depth)])), {
    requiredKeys: [],
  }) as fc.Arbitrary<JsonObject>;
  // At most one of a oneof.
  return whole.map((object) => {
    const extra = new Set(
      message.oneofs.flatMap((oneof) =>
        oneof.fields
          .map(({ jsonName }) => jsonName)
          .filter((name) => name in object)
          .slice(1),
      ),
    );
    return Object.fromEntries(Object.entries(object).filter(([name]) => !extra.has(name)));
  });
}

const int = (bits: number, sign: boolean) =>
  fc
    .bigInt(sign ? -(2n ** BigInt(bits - 1)) : 0n, (sign ? 2n ** BigInt(bits - 1) : 2n ** BigInt(bits)) - 1n)
    .map(String);
const specials: Record<string, fc.Arbitrary<JsonValue>> = {
  'google.protobuf.Timestamp': fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  'google.protobuf.Duration': fc.integer({ min: -1000, max: 1000 }).map((seconds) => `${seconds}s`),
  'google.protobuf.Struct': fc.dictionary(fc.string(), fc.string()),
  'google.protobuf.Int64Value': int(64, true),
};

function single(one: DescField, depth: number): fc.Arbitrary<JsonValue> {
  if (one.message !== undefined) return json(one.message, depth - 1);
  if (one.enum !== undefined) return fc.constantFrom('KIND_A', 'KIND_B');
  switch (one.proto.type) {
    case Type.DOUBLE:
      return fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom('NaN', 'Infinity'),
      );
    case Type.FLOAT:
      return fc.float({ noNaN: true, noDefaultInfinity: true });
    case Type.BOOL:
      return fc.boolean();
    case Type.STRING:
      return fc.string();
    case Type.BYTES:
      return fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64'));
    case Type.INT64:
    case Type.SINT64:
    case Type.SFIXED64:
      return int(64, true);
    case Type.UINT64:
    case Type.FIXED64:
      return int(64, false);
    case Type.UINT32:
    case Type.FIXED32:
      return fc.nat(2 ** 31 - 1).map((half) => half * 2 + 1);
    default:
      return fc.integer();
  }
}

function value(one: DescField, depth: number): fc.Arbitrary<JsonValue> {
  return one.fieldKind === 'list' ? fc.array(single(one, depth), { maxLength: 3 }) : single(one, depth);
}

const ajv = (): Ajv2020 =>
  new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, validateFormats: false });

function decodes(message: DescMessage, input: JsonValue, registry: FileRegistry): boolean {
  try {
    fromJson(message, input, { registry });
    return true;
  } catch {
    return false;
  }
}

const nasty = fc.oneof<fc.Arbitrary<JsonValue>[]>(
  fc.constantFrom<JsonValue>(
    null,
    true,
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 32,
    -(2 ** 31) - 1,
    1e300,
    '',
    'x',
    '1',
    '-1',
    '01',
    '1e3',
    ' 1',
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '-9223372036854775809',
    '18446744073709551615',
    '18446744073709551616',
    'KIND_C',
    'KIND_A',
    'A',
    'AA==',
    'AAA',
    '=',
    'NaN',
    '2020-02-30T00:00:00Z',
    '2020-01-01',
    '1s',
    '-0.5s',
    '315576000001s',
    [],
    {},
    { a: 1 },
    ['x'],
  ),
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

describe('the schema of a message', () => {
  it('accepts what the message can be, and the message takes what the schema accepts', () => {
    fc.assert(
      fc.property(
        plan.chain((fields) => {
          const built = build(fields);
          return fc.tuple(fc.constant(built), json(built.message, 2), fc.nat(), nasty);
        }),
        ([{ registry, message }, good, which, bad]) => {
          const validate = ajv().compile(messageSchema(message, true));
          expect([good, validate(good), validate.errors]).toEqual([good, true, null]);
          expect(decodes(message, good, registry)).toBe(true);
          // What the plugin would send for it fits as well.
          const sent = toJson(message, fromJson(message, good, { registry }), {
            registry,
            alwaysEmitImplicit: true,
          });
          expect([sent, validate(sent), validate.errors]).toEqual([sent, true, null]);
          const one = message.fields[which % message.fields.length];
          if (one === undefined) return;
          const spoiled = { [one.jsonName]: bad };
          if (validate(spoiled))
            expect([spoiled, decodes(message, spoiled, registry)]).toEqual([spoiled, true]);
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);

  it('refuses two of a oneof, also of one with many fields, and unknown properties', () => {
    for (const count of [2, 9]) {
      const { message } = build(
        Array.from({ length: count }, () => ({ type: Type.STRING, repeated: false, oneof: true })),
      );
      const validate = ajv().compile(messageSchema(message, true));
      expect(validate({})).toBe(true);
      expect(validate({ field0: 'a' })).toBe(true);
      expect(validate({ field0: 'a', field1: 'b' })).toBe(false);
      expect(validate({ nothing: 1 })).toBe(false);
    }
  });

  it('stays as large as its descriptors, whatever refers to what', () => {
    // Thirty layers, each used twice by the one above: inline it would be 2^30.
    const layers = Array.from({ length: 30 }, (_, index) => ({
      name: `L${index}`,
      field: [1, 2].map((number) =>
        create(FieldDescriptorProtoSchema, {
          name: `f${number}`,
          number,
          label: FieldDescriptorProto_Label.OPTIONAL,
          ...(index === 29 ? { type: Type.STRING } : { type: Type.MESSAGE, typeName: `.t.L${index + 1}` }),
        }),
      ),
    }));
    const file = create(FileDescriptorProtoSchema, {
      name: 't.proto',
      package: 't',
      syntax: 'proto3',
      messageType: layers,
    });
    const message = link([file]).getMessage('t.L0');
    const schema = messageSchema(message as DescMessage, true);
    expect(JSON.stringify(schema).length).toBeLessThan(20_000);
    expect(ajv().compile(schema)({ f1: { f2: { f1: {} } } })).toBe(true);
  });

  it('refers to itself by $defs where the message does', () => {
    const { message } = build([{ type: '.t.M', repeated: true, oneof: false }]);
    const schema = messageSchema(message, true);
    expect(schema['properties']).toMatchObject({ field0: { items: { $ref: '#/$defs/t.M' } } });
    expect(ajv().compile(schema)({ field0: [{ field0: [{}] }] })).toBe(true);
  });

  it('writes durations as the message reads them', () => {
    const validate = ajv().compile(messageSchema(DurationSchema, true));
    for (const text of ['0s', '1.5s', '-315576000000s']) expect([text, validate(text)]).toEqual([text, true]);
    for (const text of ['1', '1.s', '315576000001s', 's'])
      expect([text, validate(text)]).toEqual([text, false]);
  });
});
