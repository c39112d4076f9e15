/** A SentencePiece vocabulary small enough to read: bytes, printable characters and the pieces of one script. */

const TokenKind = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

export interface DemoToken {
  piece: string;
  score: number;
  kind: number;
}

/** SentencePiece writes a space as this character. */
const SPACE = '\u2581';
/** One token that both holds a word and closes a JSON string, so that strings are short and end. */
export const JSON_STRING_END = 'demo"';

export class DemoVocabulary {
  readonly tokens: readonly DemoToken[];
  readonly unknown = 0;
  readonly begin = 1;
  readonly end = 2;
  readonly endOfTurn: number;
  readonly #ids: ReadonlyMap<string, number>;

  /** @param pieces multi-character pieces in the order they get their ids; spaces as plain spaces, all different. */
  constructor(pieces: readonly string[]) {
    const tokens: DemoToken[] = [
      { piece: '<unk>', score: 0, kind: TokenKind.unknown },
      { piece: '<s>', score: 0, kind: TokenKind.control },
      { piece: '</s>', score: 0, kind: TokenKind.control },
    ];
    for (let byte = 0; byte < 256; byte++) {
      const hex = byte.toString(16).toUpperCase().padStart(2, '0');
      tokens.push({ piece: `<0x${hex}>`, score: 0, kind: TokenKind.byte });
    }
    tokens.push({ piece: '<|im_start|>', score: 0, kind: TokenKind.control });
    this.endOfTurn = tokens.length;
    tokens.push({ piece: '<|im_end|>', score: 0, kind: TokenKind.control });
    const printable = Array.from({ length: 126 - 32 }, (_, i) => String.fromCharCode(33 + i));
    // A lower score is merged later; no piece may win over another by accident, so every score differs.
    let score = -1;
    for (const piece of [...pieces, JSON_STRING_END, ' ', ...printable]) {
      tokens.push({ piece: piece.replaceAll(' ', SPACE), score: score--, kind: TokenKind.normal });
    }
    this.tokens = tokens;
    this.#ids = new Map(tokens.map((token, id) => [token.piece, id]));
    if (this.#ids.size !== tokens.length) throw new Error('the pieces of a demo script must all differ');
  }

  /** The id of a piece written with plain spaces. A newline is its byte token. */
  id(piece: string): number {
    const id = this.#ids.get(piece === '\n' ? '<0x0A>' : piece.replaceAll(' ', SPACE));
    if (id === undefined) throw new Error(`no token for ${JSON.stringify(piece)}`);
    return id;
  }
}
