import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

/**
 * The one place where contract messages become bytes and bytes become messages.
 * Host, SDK and plugins encode through here, so that the codec can be exchanged
 * without touching them. What it is made of was chosen by `bench/codec.mjs`.
 */

/** What the generated code offers for a message type. */
export interface MessageType<T> {
  encode(message: T, writer?: BinaryWriter): { finish(): Uint8Array };
  decode(input: BinaryReader | Uint8Array): T;
}

/** Encodes and decodes one message type. */
export interface Codec<T> {
  encode(message: T): Buffer;
  decode(bytes: Uint8Array): T;
}

// Encoding and decoding never wait, so one of each serves the whole program.
const writer = new WireWriter();
const reader = new WireReader();

/** The codec of a message type. */
export function codecOf<T>(type: MessageType<T>): Codec<T> {
  return {
    encode: (message) => {
      writer.reset();
      // Generated code asks for the class but uses its public methods alone.
      type.encode(message, writer as unknown as BinaryWriter);
      return writer.finish();
    },
    decode: (bytes) => {
      reader.open(bytes);
      try {
        return type.decode(reader);
      } finally {
        reader.close();
      }
    },
  };
}
