import { FinishReason, type Finish } from '@outrigger/proto';

/** The words that clients know. */
export type FinishWord = 'stop' | 'length' | 'tool_calls' | 'content_filter';

interface FinishRow {
  /** What every door answers in `finish_reason`. */
  readonly word: FinishWord;
  /** What really happened; told beside the word when the word loses something. */
  readonly reason: string;
  readonly lossy: boolean;
}

/**
 * How the contract's reasons look outside. An answer that was paused is not finished, which
 * `length` says and `stop` would deny; a refusal ends as OpenAI ends it, with `stop` and the
 * text in `refusal`.
 */
export const finishTable = {
  [FinishReason.FINISH_REASON_UNSPECIFIED]: { word: 'stop', reason: 'unspecified', lossy: true },
  [FinishReason.FINISH_REASON_STOP]: { word: 'stop', reason: 'stop', lossy: false },
  [FinishReason.FINISH_REASON_STOP_SEQUENCE]: { word: 'stop', reason: 'stop_sequence', lossy: true },
  [FinishReason.FINISH_REASON_LENGTH]: { word: 'length', reason: 'length', lossy: false },
  [FinishReason.FINISH_REASON_CONTEXT_LENGTH]: { word: 'length', reason: 'context_length', lossy: true },
  [FinishReason.FINISH_REASON_TOOL_CALLS]: { word: 'tool_calls', reason: 'tool_calls', lossy: false },
  [FinishReason.FINISH_REASON_CONTENT_FILTER]: {
    word: 'content_filter',
    reason: 'content_filter',
    lossy: false,
  },
  [FinishReason.FINISH_REASON_REFUSAL]: { word: 'stop', reason: 'refusal', lossy: true },
  [FinishReason.FINISH_REASON_PAUSED]: { word: 'length', reason: 'paused', lossy: true },
  [FinishReason.FINISH_REASON_MALFORMED_TOOL_CALL]: {
    word: 'stop',
    reason: 'malformed_tool_call',
    lossy: true,
  },
  [FinishReason.FINISH_REASON_OTHER]: { word: 'stop', reason: 'other', lossy: true },
  [FinishReason.UNRECOGNIZED]: { word: 'stop', reason: 'other', lossy: true },
} as const satisfies Record<FinishReason, FinishRow>;

/** The row of a reason; a number from a newer plugin counts as `other`. */
export function finishRow(finish: Finish | undefined): FinishRow {
  const reason = finish?.reason ?? FinishReason.FINISH_REASON_UNSPECIFIED;
  return (
    (finishTable as Readonly<Record<number, FinishRow>>)[reason] ??
    finishTable[FinishReason.FINISH_REASON_OTHER]
  );
}

/** More about an end than its word says; undefined when the word says it all. */
export function finishDetail(
  index: number,
  finish: Finish | undefined,
): { index: number; reason: string; raw?: string; detail?: string } | undefined {
  const row = finishRow(finish);
  if (!row.lossy || finish === undefined) return undefined;
  return {
    index,
    reason: row.reason,
    ...(finish.raw === '' ? {} : { raw: finish.raw }),
    ...(finish.detail === '' ? {} : { detail: finish.detail }),
  };
}
