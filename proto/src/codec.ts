/**
 * The one place where contract messages become bytes and bytes become messages.
 * Host, SDK and plugins encode through here, so that the codec can be exchanged
 * without touching them.
 */

/** What the generated code offers for a message type. */
export interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** Encodes and decodes one message type. */
export interface Codec<T> {
  encode(message: T): Buffer;
  decode(bytes: Uint8Array): T;
}

/** The codec of a message type. */
export function codecOf<T>(type: MessageType<T>): Codec<T> {
  return {
    encode: (message) => {
      const bytes = type.encode(message).finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    decode: (bytes) => type.decode(bytes),
  };
}
