/** A file of a descriptor set: its own bytes, which hold options and comments, and what it defines. */
interface DescribedFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly dependencies: readonly string[];
  readonly symbols: readonly string[];
  readonly extensions: readonly { readonly extendee: string; readonly number: number }[];
}

/** Calls `visit` for every field of a protobuf message; `value` is bytes or a number. */
function fields(bytes: Buffer, visit: (field: number, value: Buffer | number) => void): void {
  let at = 0;
  const varint = (): number => {
    let result = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('descriptor set: cut');
      result += (byte & 127) * factor;
      if (byte < 128) return result;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const type = tag & 7;
    if (type === 0) visit(tag >>> 3, varint());
    else if (type === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error('descriptor set: cut');
      visit(tag >>> 3, bytes.subarray(at, at + length));
      at += length;
    } else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else throw new Error(`descriptor set: wire type ${type}`);
  }
}

type Collect = (path: string, bytes: Buffer) => void;

function described(bytes: Buffer): DescribedFile {
  let name = '';
  let scope = '';
  const dependencies: string[] = [];
  const symbols: string[] = [];
  const extensions: { extendee: string; number: number }[] = [];

  /** Reads the name in field 1, notes it as a symbol and returns it with a dot. */
  const named = (prefix: string, message: Buffer): string => {
    let own = '';
    fields(message, (field, value) => {
      if (field === 1 && typeof value !== 'number') own = value.toString();
    });
    symbols.push(prefix + own);
    return `${prefix}${own}.`;
  };
  /** Reads an element and hands its parts on, by field number. */
  const element =
    (parts: Readonly<Record<number, Collect>>): Collect =>
    (prefix, message) => {
      const inner = named(prefix, message);
      fields(message, (field, value) => {
        if (typeof value !== 'number') parts[field]?.(inner, value);
      });
    };
  const leaf = element({});
  const extension: Collect = (prefix, message) => {
    leaf(prefix, message);
    let extendee = '';
    let number = 0;
    fields(message, (field, value) => {
      if (field === 2 && typeof value !== 'number') extendee = value.toString().replace(/^\./, '');
      if (field === 3 && typeof value === 'number') number = value;
    });
    extensions.push({ extendee, number });
  };
  // Values of an enum are named beside the enum and, for clients that look there, inside it.
  const enumeration: Collect = (prefix, message) => {
    element({ 2: leaf })(prefix, message);
    fields(message, (field, value) => {
      if (field === 2 && typeof value !== 'number') leaf(prefix, value);
    });
  };
  const message: Collect = (prefix, bytesOfMessage) => {
    element({ 2: leaf, 3: message, 4: enumeration, 6: extension, 8: leaf })(prefix, bytesOfMessage);
  };
  const parts: Readonly<Record<number, Collect>> = {
    4: message,
    5: enumeration,
    6: element({ 2: leaf }),
    7: extension,
  };

  fields(bytes, (field, value) => {
    if (typeof value === 'number') return;
    if (field === 1) name = value.toString();
    if (field === 2) scope = `${value.toString()}.`;
    if (field === 3) dependencies.push(value.toString());
  });
  fields(bytes, (field, value) => {
    if (typeof value !== 'number') parts[field]?.(scope, value);
  });
  return { name, bytes, dependencies, symbols, extensions };
}

/** Finds descriptors in serialized FileDescriptorSets and answers with the bytes as they are. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescribedFile>();
  readonly #symbols = new Map<string, string>();
  readonly #extensions = new Map<string, Map<number, string>>();

  /** Of files that stand in several sets the first one counts. */
  constructor(sets: readonly Uint8Array[]) {
    for (const set of sets) {
      const bytes = Buffer.from(set.buffer, set.byteOffset, set.byteLength);
      fields(bytes, (field, value) => {
        if (field === 1 && typeof value !== 'number') this.#add(described(value));
      });
    }
  }

  #add(file: DescribedFile): void {
    if (this.#files.has(file.name)) return;
    this.#files.set(file.name, file);
    for (const symbol of file.symbols) {
      if (!this.#symbols.has(symbol)) this.#symbols.set(symbol, file.name);
    }
    for (const { extendee, number } of file.extensions) {
      const numbers = this.#extensions.get(extendee) ?? new Map<number, string>();
      numbers.set(number, file.name);
      this.#extensions.set(extendee, numbers);
    }
  }

  /** The file of this name and all that it imports, itself first; undefined when there is none. */
  file(name: string | undefined): Buffer[] | undefined {
    const first = name === undefined ? undefined : this.#files.get(name);
    if (first === undefined) return undefined;
    const found = new Map([[first.name, first]]);
    // A Map goes on to entries that are added while it is walked.
    for (const file of found.values()) {
      for (const dependency of file.dependencies) {
        const next = this.#files.get(dependency);
        if (next !== undefined) found.set(dependency, next);
      }
    }
    return [...found.values()].map(({ bytes }) => bytes);
  }

  /** The file that defines a symbol, given by its full name, and all that it imports. */
  symbol(name: string): Buffer[] | undefined {
    return this.file(this.#symbols.get(name.replace(/^\./, '')));
  }

  /** The file that extends a message by this number, and all that it imports. */
  extension(extendee: string, number: number): Buffer[] | undefined {
    return this.file(this.#extensions.get(extendee.replace(/^\./, ''))?.get(number));
  }

  /** The numbers by which a message is extended; undefined when the message is unknown. */
  extensionNumbers(extendee: string): number[] | undefined {
    const name = extendee.replace(/^\./, '');
    const numbers = this.#extensions.get(name);
    if (numbers === undefined) return this.#symbols.has(name) ? [] : undefined;
    return [...numbers.keys()].sort((a, b) => a - b);
  }
}
