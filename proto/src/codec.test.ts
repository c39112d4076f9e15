import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import * as contract from './index.js';
import { codecOf, type Codec } from './codec.js';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

// protobufjs reads the .proto files itself: it is a second opinion on every byte that we write and read.
const protos = fileURLToPath(new URL('../protos/', import.meta.url));
const oracle = new protobuf.Root();
oracle.resolvePath = (_, target) => (target.startsWith('google/protobuf/') ? null : protos + target);
oracle.loadSync(
  ['content', 'identity', 'inference', 'lifecycle', 'models', 'telemetry', 'tool_result'].map(
    (name) => `outrigger/plugin/v1/${name}.proto`,
  ),
);
oracle.resolveAll();

type Shape = Record<string, unknown>;

interface Generated extends contract.MessageType<Shape> {
  fromPartial(value: Shape): Shape;
}

const oneofsOf = (type: protobuf.Type): protobuf.OneOf[] =>
  type.oneofsArray.filter((oneof) => !oneof.name.startsWith('_'));
const inOneof = (type: protobuf.Type, field: protobuf.Field): boolean =>
  oneofsOf(type).some((oneof) => oneof.fieldsArray.includes(field));
const isTimestamp = (field: protobuf.Field): boolean =>
  field.resolvedType?.fullName === '.google.protobuf.Timestamp';

/** Halves of characters cannot be sent; all codecs send U+FFFD. */
const mended = (value: string): string => Buffer.from(value).toString();

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  // Around the lengths where the length prefix grows and where the fast paths end.
  fc
    .tuple(fc.constantFrom('a', 'ü', '犬', '🛶'), fc.constantFrom(7, 8, 9, 24, 25, 42, 63, 127, 128, 5_500))
    .map(([unit, times]) => unit.repeat(times)),
  fc.constantFrom('\u{feff}mark', '\0', 'half \ud83d', '\udc00 half', '𝄞'),
);

const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: text,
  bool: fc.boolean(),
  uint32: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff })),
  int32: fc.oneof(fc.integer({ min: -3, max: 300 }), fc.integer()),
  int64: fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  uint64: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 50n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  // Minus zero is the default of a field without presence, and so is not sent.
  double: fc.double().map((value) => (value === 0 ? 0 : value)),
  bytes: fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value)),
};

/** Random messages of a type in the shape that our code uses. */
function messages(type: protobuf.Type, depth: number): fc.Arbitrary<Shape> {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  for (const oneof of oneofsOf(type)) {
    const kinds = oneof.fieldsArray
      .filter((field) => depth > 0 || !(field.resolvedType instanceof protobuf.Type))
      .map((field) => values(field, depth).map((value) => ({ $case: field.name, value })));
    parts[oneof.name] = fc.oneof(fc.constant(undefined), ...kinds);
  }
  for (const field of type.fieldsArray) {
    if (inOneof(type, field)) continue;
    const isMessage = field.resolvedType instanceof protobuf.Type && !isTimestamp(field);
    if (isMessage && depth <= 0) {
      parts[field.name] = fc.constant(field.repeated ? [] : undefined);
      continue;
    }
    const value = values(field, depth);
    if (field instanceof protobuf.MapField) {
      const key = text.filter((name) => name !== '__proto__').map(mended);
      parts[field.name] = fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true });
    } else if (field.repeated) parts[field.name] = fc.array(value, { maxLength: 3 });
    else if (field.resolvedType instanceof protobuf.Type || field.options?.['proto3_optional'] === true) {
      parts[field.name] = fc.option(value, { nil: undefined });
    } else parts[field.name] = value;
  }
  return fc.record(parts);
}

function values(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  if (isTimestamp(field)) {
    return fc.date({ noInvalidDate: true, min: new Date('1900-01-01'), max: new Date('2200-01-01') });
  }
  if (field.resolvedType instanceof protobuf.Enum)
    return fc.constantFrom(...Object.values(field.resolvedType.values));
  if (field.resolvedType instanceof protobuf.Type) return messages(field.resolvedType, depth - 1);
  const scalar = scalars[field.type];
  if (scalar === undefined) throw new Error(`${field.fullName}: no arbitrary for ${field.type}`);
  return scalar;
}

/** Our shape as protobufjs wants it. */
function toOracle(type: protobuf.Type, shape: Shape): protobuf.Message {
  const plain: Shape = {};
  const put = (field: protobuf.Field, value: unknown): unknown => {
    if (isTimestamp(field)) {
      const milliseconds = (value as Date).getTime();
      const seconds = Math.floor(milliseconds / 1000);
      return { seconds, nanos: (milliseconds - seconds * 1000) * 1_000_000 };
    }
    if (field.resolvedType instanceof protobuf.Type) return toOracle(field.resolvedType, value as Shape);
    return typeof value === 'bigint' ? value.toString() : value;
  };
  for (const oneof of oneofsOf(type)) {
    const chosen = shape[oneof.name] as { $case: string; value: unknown } | undefined;
    const field = chosen && type.fields[chosen.$case];
    if (chosen && field) plain[chosen.$case] = put(field, chosen.value);
  }
  for (const field of type.fieldsArray) {
    const value = shape[field.name];
    if (inOneof(type, field) || value === undefined) continue;
    if (field instanceof protobuf.MapField) plain[field.name] = value;
    else if (field.repeated) plain[field.name] = (value as unknown[]).map((item) => put(field, item));
    else plain[field.name] = put(field, value);
  }
  return type.fromObject(plain);
}

/** What protobufjs has read, in our shape. */
function fromOracle(type: protobuf.Type, message: protobuf.Message): Shape {
  const read = message as unknown as Shape;
  const get = (field: protobuf.Field, value: unknown): unknown => {
    if (isTimestamp(field)) {
      const { seconds, nanos } = value as { seconds: { toNumber(): number }; nanos: number };
      return new Date(seconds.toNumber() * 1000 + nanos / 1_000_000);
    }
    if (field.resolvedType instanceof protobuf.Type)
      return fromOracle(field.resolvedType, value as protobuf.Message);
    if (field.type === 'int64' || field.type === 'uint64') return BigInt(String(value));
    return field.type === 'bytes' ? Buffer.from(value as Uint8Array) : value;
  };
  const shape: Shape = {};
  for (const oneof of oneofsOf(type)) {
    const field = oneof.fieldsArray.find(({ name }) => Object.hasOwn(read, name));
    shape[oneof.name] = field && { $case: field.name, value: get(field, read[field.name]) };
  }
  for (const field of type.fieldsArray) {
    if (inOneof(type, field)) continue;
    const value = read[field.name];
    if (field instanceof protobuf.MapField) shape[field.name] = { ...(value as object) };
    else if (field.repeated) shape[field.name] = (value as unknown[]).map((item) => get(field, item));
    else if (Object.hasOwn(read, field.name)) shape[field.name] = get(field, value);
    else if (!(field.resolvedType instanceof protobuf.Type) && field.options?.['proto3_optional'] !== true) {
      shape[field.name] = get(field, value);
    }
  }
  return shape;
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return mended(value);
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, wellFormed(item)]));
}

const namespace = oracle.lookup('outrigger.plugin.v1') as protobuf.Namespace;
const types = namespace.nestedArray.filter((item): item is protobuf.Type => item instanceof protobuf.Type);

describe('the codec agrees with an independent one on', () => {
  const cases = types.map((type): [string, protobuf.Type] => [type.name, type]);
  it('every message of the contract', () => expect(cases.length).toBeGreaterThan(50));

  it.each(cases)('%s', (name, type) => {
    const generated = (contract as unknown as Record<string, Generated | undefined>)[name];
    if (generated === undefined) throw new Error(`${name} is not exported by the package`);
    const codec: Codec<Shape> = codecOf(generated);
    fc.assert(
      fc.property(messages(type, 2), (shape) => {
        const expected = wellFormed(shape);
        const bytes = codec.encode(shape);
        // The same bytes as generated code writes without us.
        expect(bytes.equals(generated.encode(shape).finish())).toBe(true);
        expect(fromOracle(type, type.decode(bytes))).toEqual(expected);
        expect(codec.decode(type.encode(toOracle(type, wellFormed(shape) as Shape)).finish())).toEqual(
          expected,
        );
        expect(codec.decode(bytes)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the codec', () => {
  const codec = codecOf(contract.GenerateResponse);
  const frame = (value: string): contract.GenerateResponse => ({
    seq: 1,
    events: [
      {
        event: {
          $case: 'delta',
          value: { candidate: 0, part: 0, kind: { $case: 'text', value }, logprobs: [] },
        },
      },
    ],
  });

  it('gives every message a buffer of its own', () => {
    const first = codec.encode(frame('first'));
    const copy = Buffer.from(first);
    codec.encode(frame('other'));
    expect(first.equals(copy)).toBe(true);
    const large = codec.encode(frame('x'.repeat(200_000)));
    const largeCopy = Buffer.from(large);
    codec.encode(frame('y'.repeat(200_000)));
    expect(large.equals(largeCopy)).toBe(true);
  });

  it('keeps bytes that it has read apart from the buffer that they came in', () => {
    const embeddings = codecOf(contract.Embedding);
    const bytes = embeddings.encode({ data: Buffer.from([1, 2, 3]), truncated: false });
    const { data } = embeddings.decode(bytes);
    bytes.fill(0);
    expect([...data]).toEqual([1, 2, 3]);
  });

  it('goes on after a message that cannot be written', () => {
    const wrong = { seq: 1.5, events: [] };
    expect(() => codec.encode(wrong)).toThrow(/invalid uint32: 1.5/);
    expect(codec.decode(codec.encode(frame('next')))).toEqual(frame('next'));
  });

  it.each([
    ['a text that is none', frame(undefined as unknown as string), /invalid string: undefined/],
    ['a negative count', { seq: -1, events: [] }, /invalid uint32: -1/],
    ['no number', { seq: NaN, events: [] }, /invalid uint32: NaN/],
  ])('refuses %s', (_, message, problem) => expect(() => codec.encode(message)).toThrow(problem));

  it('reads plain Uint8Arrays, also those that are a part of another', () => {
    const bytes = codec.encode(frame('hello'));
    const around = new Uint8Array(bytes.length + 20);
    around.set(bytes, 10);
    expect(codec.decode(around.subarray(10, 10 + bytes.length))).toEqual(frame('hello'));
  });

  it('skips fields that it does not know, of every wire type', () => {
    const unknown = Buffer.from([
      ...[0xc0, 0x3e, 0xff, 0x01], // field 1000, varint
      ...[0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8], // 64 bits
      ...[0xc2, 0x3e, 2, 9, 9], // bytes
      ...[0xc5, 0x3e, 1, 2, 3, 4], // 32 bits
      ...[0xc3, 0x3e, 0x08, 0x01, 0xc4, 0x3e], // a group
    ]);
    const bytes = Buffer.concat([unknown, codec.encode(frame('hello')), unknown]);
    expect(codec.decode(bytes)).toEqual(frame('hello'));
  });

  it('refuses or reads whatever bytes come, and never hangs', () => {
    const whole = codec.encode(frame('hello, who reads this?'));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.nat(whole.length).map((length) => whole.subarray(0, length)),
        ),
        (bytes) => {
          try {
            codec.decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('refuses a message that is cut inside a field', () => {
    const bytes = codec.encode(frame('hello'));
    expect(() => codec.decode(bytes.subarray(0, bytes.length - 1))).toThrow(/cut/);
  });
});

describe('the wire', () => {
  it('carries every kind of number there and back', () => {
    const writer = new WireWriter();
    const reader = new WireReader();
    writer.sint32(-7).fixed32(0xffff_ffff).sfixed32(-2).float(0.5).double(-0);
    writer
      .fixed64(2n ** 64n - 1n)
      .sfixed64(-1n)
      .sint64(-(2n ** 63n))
      .int64(-1n)
      .uint64(2n ** 63n)
      .int32(-1);
    writer.bool(true).bytes(Buffer.from([7]));
    reader.open(writer.finish());
    const read = [reader.sint32(), reader.fixed32(), reader.sfixed32(), reader.float(), reader.double()];
    expect(read).toEqual([-7, 0xffff_ffff, -2, 0.5, -0]);
    expect([reader.fixed64(), reader.sfixed64(), reader.sint64(), reader.int64(), reader.uint64()]).toEqual([
      2n ** 64n - 1n,
      -1n,
      -(2n ** 63n),
      -1n,
      2n ** 63n,
    ]);
    expect([reader.int32(), reader.bool(), [...reader.bytes()]]).toEqual([-1, true, [7]]);
    expect(reader.pos).toBe(reader.len);
  });

  it('widens a length prefix when a message turns out long', () => {
    const writer = new WireWriter();
    for (const length of [127, 128, 16_383, 16_384, 300_000]) {
      writer.uint32(10).fork().raw(Buffer.alloc(length, 7)).join();
      const reader = new WireReader();
      reader.open(writer.finish());
      expect(reader.uint32()).toBe(10);
      expect(reader.bytes().equals(Buffer.alloc(length, 7))).toBe(true);
    }
  });
});
