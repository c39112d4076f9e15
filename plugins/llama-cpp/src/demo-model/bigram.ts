import { JSON_STRING_END, type DemoVocabulary } from './vocabulary.js';
import type { DemoScript } from './scripts.js';

/** Logit of the next token of a script: so far above all others that no usual temperature reaches them. */
const SCRIPTED = 50;

/** What may stand at the start of a JSON value, best first. */
const VALUE_STARTS: Readonly<Record<string, number>> = { '"': 40, '4': 36, t: 32, '{': 28, '[': 24 };
/** What closes or continues a JSON value, best first: closing wins over a comma, so arrays and objects end. */
const VALUE_ENDS: Readonly<Record<string, number>> = { '"': 40, ':': 36, ']': 32, '}': 28, ',': 24 };

/** Preferences that only show when a grammar forbids the scripted token: they make short, well-formed JSON. */
const JSON_ROWS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '{': { '"': 40, '}': 20 },
  '[': { ...VALUE_STARTS, ']': 20 },
  ':': VALUE_STARTS,
  ',': VALUE_STARTS,
  ' ': VALUE_STARTS,
  // Above the script: an open string takes the word that also closes it.
  '"': { ...VALUE_ENDS, [JSON_STRING_END]: SCRIPTED + 10 },
  '4': { ...VALUE_ENDS, '2': 44 },
};

/** `logits.get(last)?.get(next)`; what is absent is 0. */
export type BigramTable = ReadonlyMap<number, ReadonlyMap<number, number>>;

/**
 * The table of a script: every token leads to the first piece of the speech, every piece to the next one, the last
 * to the end of the turn. With a tool call, a newline (the end of the generation prompt when tools are offered, see
 * the chat template) leads to the call instead.
 */
export function bigramTable(vocabulary: DemoVocabulary, script: DemoScript): BigramTable {
  const opening = [...(script.thought ?? []), ...script.speech];
  const first = opening[0];
  if (first === undefined) throw new Error('a demo script needs at least one piece');
  const callEnd = script.toolCall?.at(-1);
  const rows = new Map<number, Map<number, number>>();
  const row = (token: number, preferences: Readonly<Record<string, number>>, next: number): void => {
    const logits = new Map(
      Object.entries(preferences).map(([piece, logit]) => [vocabulary.id(piece), logit]),
    );
    // A grammar for another tool than the script's leads off the script: close the call rather than begin another.
    if (callEnd !== undefined) logits.set(vocabulary.id(callEnd), 26);
    logits.set(vocabulary.endOfTurn, 12);
    logits.set(next, SCRIPTED);
    rows.set(token, logits);
  };
  for (const token of vocabulary.tokens.keys()) row(token, VALUE_ENDS, vocabulary.id(first));
  for (const [piece, preferences] of Object.entries(JSON_ROWS)) {
    row(vocabulary.id(piece), preferences, vocabulary.id(first));
  }
  row(vocabulary.id(JSON_STRING_END), VALUE_ENDS, vocabulary.endOfTurn);

  const chain = (pieces: readonly string[], last: number): void => {
    for (const [i, piece] of pieces.entries()) {
      const next = pieces[i + 1];
      row(vocabulary.id(piece), VALUE_ENDS, next === undefined ? last : vocabulary.id(next));
    }
  };
  chain(opening, script.loopsTo === undefined ? vocabulary.endOfTurn : vocabulary.id(script.loopsTo));
  if (script.toolCall?.[0] !== undefined) {
    chain(script.toolCall, vocabulary.endOfTurn);
    row(vocabulary.id('\n'), VALUE_ENDS, vocabulary.id(script.toolCall[0]));
  }
  return rows;
}
