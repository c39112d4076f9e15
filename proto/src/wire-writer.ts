import type { BinaryWriter } from '@bufbuild/protobuf/wire';

/** Room at the start, and the most that is kept for the next message, in bytes. */
const usualRoom = 64 * 1024;
/** Strings up to this length are looked at character by character, which beats a call into native code. */
const shortString = 24;

const lowHalf = 0xffff_ffffn;

function invalid(type: string, value: unknown): never {
  throw new TypeError(`invalid ${type}: ${String(value)}`);
}

/** Bytes of a varint. */
function sizeOf(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/**
 * What generated code writes to. It does what BinaryWriter of protobuf-es does,
 * and is faster because all messages share one buffer and Node itself writes the
 * longer strings. Values of a wrong type are refused and never written as text.
 */
export class WireWriter implements Record<keyof BinaryWriter, unknown> {
  #room = Buffer.allocUnsafeSlow(usualRoom);
  #at = 0;
  readonly #forks: number[] = [];

  /** Forgets what was written, for example by a message that turned out to be wrong. */
  reset(): void {
    this.#at = 0;
    this.#forks.length = 0;
  }

  /** The message so far, in a buffer of its own; the writer is empty again. */
  finish(): Buffer<ArrayBuffer> {
    const length = this.#at;
    const room = this.#room;
    this.reset();
    if (length > usualRoom) {
      // Large ones are handed over instead of copied.
      this.#room = Buffer.allocUnsafeSlow(usualRoom);
      return room.subarray(0, length);
    }
    const message = Buffer.allocUnsafe(length);
    room.copy(message, 0, 0, length);
    return message;
  }

  #need(size: number): void {
    const required = this.#at + size;
    if (required <= this.#room.length) return;
    let length = this.#room.length * 2;
    while (length < required) length *= 2;
    const larger = Buffer.allocUnsafeSlow(length);
    this.#room.copy(larger, 0, 0, this.#at);
    this.#room = larger;
  }

  fork(): this {
    this.#forks.push(this.#at);
    // Most messages are shorter than 128 bytes and so is their length one byte.
    this.#need(1);
    this.#at += 1;
    return this;
  }

  join(): this {
    const start = this.#forks.pop();
    if (start === undefined) throw new Error('join without fork');
    const length = this.#at - start - 1;
    if (length < 0x80) {
      this.#room[start] = length;
      return this;
    }
    const size = sizeOf(length);
    this.#need(size - 1);
    this.#room.copyWithin(start + size, start + 1, this.#at);
    this.#at = start;
    this.#varint(length);
    this.#at += length;
    return this;
  }

  /** Writes a varint of at most 32 bits; there must be room. */
  #varint(value: number): void {
    const room = this.#room;
    let at = this.#at;
    while (value > 0x7f) {
      room[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    room[at++] = value;
    this.#at = at;
  }

  #varint64(low: number, high: number): void {
    this.#need(10);
    while (high > 0 || low > 0x7f) {
      this.#room[this.#at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#room[this.#at++] = low;
  }

  #bits64(value: bigint): this {
    const bits = BigInt.asUintN(64, value);
    this.#varint64(Number(bits & lowHalf), Number(bits >> 32n));
    return this;
  }

  tag(fieldNo: number, type: number): this {
    return this.uint32(((fieldNo << 3) | type) >>> 0);
  }

  raw(chunk: Uint8Array): this {
    this.#need(chunk.length);
    this.#room.set(chunk, this.#at);
    this.#at += chunk.length;
    return this;
  }

  uint32(value: number): this {
    if (value >>> 0 !== value) invalid('uint32', value);
    this.#need(5);
    if (value < 0x80) this.#room[this.#at++] = value;
    else this.#varint(value);
    return this;
  }

  int32(value: number): this {
    if ((value | 0) !== value) invalid('int32', value);
    if (value >= 0) return this.uint32(value);
    this.#varint64(value >>> 0, 0xffff_ffff);
    return this;
  }

  sint32(value: number): this {
    if ((value | 0) !== value) invalid('sint32', value);
    return this.uint32(((value << 1) ^ (value >> 31)) >>> 0);
  }

  bool(value: boolean): this {
    this.#need(1);
    this.#room[this.#at++] = value ? 1 : 0;
    return this;
  }

  bytes(value: Uint8Array): this {
    if (!(value instanceof Uint8Array)) invalid('bytes', typeof value);
    return this.uint32(value.length).raw(value);
  }

  string(value: string): this {
    if (typeof value !== 'string') invalid('string', value);
    const { length } = value;
    // The length prefix takes up to 5 bytes and a UTF-16 unit up to 3.
    this.#need(length * 3 + 5);
    const room = this.#room;
    if (length <= shortString) {
      let at = this.#at;
      room[at++] = length;
      let index = 0;
      for (; index < length; index += 1) {
        const unit = value.charCodeAt(index);
        if (unit > 0x7f) break;
        room[at++] = unit;
      }
      if (index === length) {
        this.#at = at;
        return this;
      }
    }
    // Most text is ASCII: guess the prefix by that, and move the text if it was not.
    const start = this.#at;
    const guess = sizeOf(length);
    const written = room.write(value, start + guess, 'utf8');
    const size = sizeOf(written);
    if (size !== guess) room.copyWithin(start + size, start + guess, start + guess + written);
    this.#varint(written);
    this.#at += written;
    return this;
  }

  float(value: number): this {
    this.#need(4);
    this.#at = this.#room.writeFloatLE(value, this.#at);
    return this;
  }

  double(value: number): this {
    if (typeof value !== 'number') invalid('double', value);
    this.#need(8);
    this.#at = this.#room.writeDoubleLE(value, this.#at);
    return this;
  }

  fixed32(value: number): this {
    this.#need(4);
    this.#at = this.#room.writeUInt32LE(value, this.#at);
    return this;
  }

  sfixed32(value: number): this {
    this.#need(4);
    this.#at = this.#room.writeInt32LE(value, this.#at);
    return this;
  }

  fixed64(value: string | number | bigint): this {
    this.#need(8);
    this.#at = this.#room.writeBigUInt64LE(BigInt(value), this.#at);
    return this;
  }

  sfixed64(value: string | number | bigint): this {
    this.#need(8);
    this.#at = this.#room.writeBigInt64LE(BigInt(value), this.#at);
    return this;
  }

  int64(value: string | number | bigint): this {
    return this.#bits64(BigInt(value));
  }

  uint64(value: string | number | bigint): this {
    return this.#bits64(BigInt(value));
  }

  sint64(value: string | number | bigint): this {
    const signed = BigInt(value);
    return this.#bits64((signed << 1n) ^ (signed >> 63n));
  }
}
