import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

const nothing = Buffer.alloc(0);
/** Strings up to this length are looked at byte by byte, which beats a call into native code. */
const shortString = 8;
/** Wire types by their number; 6 and 7 do not exist. */
const wireTypes: readonly (WireType | undefined)[] = [
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.StartGroup,
  WireType.EndGroup,
  WireType.Bit32,
];
/** Deepest nesting of unknown groups. */
const deepest = 100;

function premature(): never {
  throw new RangeError('the message is cut');
}

/**
 * What generated code reads from. It does what BinaryReader of protobuf-es does,
 * and is faster because all messages share one reader and Node itself reads the
 * strings. It extends BinaryReader only because generated code asks for that.
 */
export class WireReader extends BinaryReader {
  #bytes: Buffer = nothing;
  /** Generated code counts its depth here; declared, so that all readers have one shape. */
  __tsProtoDecodeDepth = 0;

  constructor() {
    super(nothing);
    // The base class keeps its own as a property of every reader, which would hide a method.
    this.uint32 = this.#uint32;
  }

  /** Begins to read a message. */
  open(bytes: Uint8Array): void {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.pos = 0;
    (this as { len: number }).len = bytes.length;
    this.__tsProtoDecodeDepth = 0;
  }

  /** Lets go of the message. */
  close(): void {
    this.#bytes = nothing;
    this.pos = 0;
    (this as { len: number }).len = 0;
  }

  #uint32(): number {
    const bytes = this.#bytes;
    let at = this.pos;
    let byte = bytes[at++];
    if (byte === undefined) premature();
    if (byte < 0x80) {
      this.pos = at;
      return byte;
    }
    let result = byte & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      byte = bytes[at++];
      if (byte === undefined) premature();
      // What a longer varint holds beyond 32 bits is cut off, as the specification wants it.
      if (shift < 32) result |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.pos = at;
        return result >>> 0;
      }
    }
    throw new Error('invalid varint');
  }

  #bits64(): bigint {
    const bytes = this.#bytes;
    let at = this.pos;
    let small = 0;
    // Seven bytes hold 49 bits, which a number holds exactly.
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) premature();
      small += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.pos = at;
        return BigInt(small);
      }
    }
    let large = 0;
    for (let factor = 1; factor <= 128 * 128; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) premature();
      large += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.pos = at;
        return BigInt.asUintN(64, (BigInt(large) << 49n) | BigInt(small));
      }
    }
    throw new Error('invalid varint');
  }

  #take(length: number): number {
    const start = this.pos;
    const end = start + length;
    if (end > this.#bytes.length) premature();
    this.pos = end;
    return start;
  }

  override int32(): number {
    return this.uint32() | 0;
  }

  override sint32(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }

  override int64(): bigint {
    return BigInt.asIntN(64, this.#bits64());
  }

  override uint64(): bigint {
    return this.#bits64();
  }

  override sint64(): bigint {
    const value = this.#bits64();
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  }

  override bool(): boolean {
    const byte = this.#bytes[this.pos];
    if (byte !== undefined && byte < 0x80) {
      this.pos += 1;
      return byte !== 0;
    }
    return this.#bits64() !== 0n;
  }

  override fixed32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  override sfixed32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  override fixed64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  override sfixed64(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  override float(): number {
    return this.#bytes.readFloatLE(this.#take(4));
  }

  override double(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  override bytes(): Buffer<ArrayBuffer> {
    const length = this.uint32();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length) as Buffer<ArrayBuffer>;
  }

  override string(): string {
    const length = this.uint32();
    const start = this.#take(length);
    const bytes = this.#bytes;
    if (length > shortString) return bytes.toString('utf8', start, this.pos);
    let text = '';
    for (let at = start; at < this.pos; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte > 0x7f) return bytes.toString('utf8', start, this.pos);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  override tag(): [number, WireType] {
    const tag = this.uint32();
    const field = tag >>> 3;
    const type = wireTypes[tag & 7];
    if (field === 0 || type === undefined)
      throw new Error(`illegal tag: field ${field}, wire type ${tag & 7}`);
    return [field, type];
  }

  override skip(type: WireType, field?: number, depth = deepest): Uint8Array<ArrayBuffer> {
    const start = this.pos;
    switch (type) {
      case WireType.Varint:
        this.#bits64();
        break;
      case WireType.Bit64:
        this.#take(8);
        break;
      case WireType.Bit32:
        this.#take(4);
        break;
      case WireType.LengthDelimited:
        this.#take(this.uint32());
        break;
      case WireType.StartGroup:
        this.#skipGroup(field, depth);
        break;
      default:
        throw new Error(`cannot skip wire type ${type}`);
    }
    return this.#bytes.subarray(start, this.pos) as Uint8Array<ArrayBuffer>;
  }

  #skipGroup(field: number | undefined, depth: number): void {
    if (depth <= 0) throw new Error('groups are nested too deeply');
    for (;;) {
      const [inner, type] = this.tag();
      if (type === WireType.EndGroup) {
        if (field !== undefined && inner !== field) throw new Error('a group ends that did not begin');
        return;
      }
      this.skip(type, inner, depth - 1);
    }
  }
}
