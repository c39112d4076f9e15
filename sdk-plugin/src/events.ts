import {
  Delta,
  Finish,
  FinishReason,
  Head,
  Usage,
  type GenerateEvent,
  type Progress_Stage,
  type TokenLogprob,
} from '@outrigger/proto';

/** Where a piece of the answer belongs. */
export interface Place {
  /** Which candidate; default 0. */
  readonly candidate?: number;
  /** Which part of it, dense from 0; default 0. */
  readonly part?: number;
  /** One per token of the piece, when they were asked for. */
  readonly logprobs?: readonly TokenLogprob[];
}

type DeltaKind = NonNullable<Delta['kind']>;

/** A piece of the answer of any kind. */
export function delta(kind: DeltaKind, place: Place = {}): GenerateEvent {
  return {
    event: {
      $case: 'delta',
      value: {
        candidate: place.candidate ?? 0,
        part: place.part ?? 0,
        kind,
        logprobs: place.logprobs === undefined ? [] : [...place.logprobs],
      },
    },
  };
}

/** The answer begins; only progress and warning may come before. The SDK sends an empty one when there is none. */
export function head(fields: Partial<Head>): GenerateEvent {
  return { event: { $case: 'head', value: Head.create(fields) } };
}

/** More text. */
export function text(value: string, place?: Place): GenerateEvent {
  return delta({ $case: 'text', value }, place);
}

/** More reasoning. */
export function reasoning(value: string, place?: Place): GenerateEvent {
  return delta({ $case: 'reasoning', value }, place);
}

/** A tool call; give it a part of its own. */
export function toolCall(
  call: { id: string; name: string; argumentsJson?: string; idSynthesised?: boolean },
  place?: Place,
): GenerateEvent {
  const value = { argumentsJson: '', idSynthesised: false, ...call };
  return delta({ $case: 'toolCall', value }, place);
}

/** A further fragment of the arguments of the place's tool call. */
export function toolArguments(fragment: string, place?: Place): GenerateEvent {
  return delta({ $case: 'toolArguments', value: fragment }, place);
}

const finishReasons = {
  unknown: FinishReason.FINISH_REASON_UNSPECIFIED,
  stop: FinishReason.FINISH_REASON_STOP,
  stop_sequence: FinishReason.FINISH_REASON_STOP_SEQUENCE,
  length: FinishReason.FINISH_REASON_LENGTH,
  context_length: FinishReason.FINISH_REASON_CONTEXT_LENGTH,
  tool_calls: FinishReason.FINISH_REASON_TOOL_CALLS,
  content_filter: FinishReason.FINISH_REASON_CONTENT_FILTER,
  refusal: FinishReason.FINISH_REASON_REFUSAL,
  paused: FinishReason.FINISH_REASON_PAUSED,
  malformed_tool_call: FinishReason.FINISH_REASON_MALFORMED_TOOL_CALL,
  other: FinishReason.FINISH_REASON_OTHER,
} as const;

/** Names of the contract's finish reasons. */
export type FinishName = keyof typeof finishReasons;

/** A candidate is complete; `raw` is the vendor's own word. */
export function finish(
  reason: FinishName,
  fields: { candidate?: number; raw?: string; detail?: string } = {},
): GenerateEvent {
  return {
    event: {
      $case: 'finish',
      value: Finish.create({ raw: reason, ...fields, reason: finishReasons[reason] }),
    },
  };
}

/** Tokens so far; cumulative. */
export function usage(fields: Partial<Usage>): GenerateEvent {
  return { event: { $case: 'usage', value: Usage.create(fields) } };
}

/** What is going on before the first token; fraction is 0 to 1. */
export function progress(stage: Progress_Stage, fraction?: number): GenerateEvent {
  return { event: { $case: 'progress', value: { stage, fraction } } };
}

/** Something the caller should know. */
export function warning(code: string, field: string, message: string): GenerateEvent {
  return { event: { $case: 'warning', value: { code, field, message } } };
}
