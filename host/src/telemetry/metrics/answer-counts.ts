import type { ErrorKind } from '../../errors/error-table.js';

/** How often something happened under two words. */
export interface PairCount {
  readonly door: string;
  readonly what: string;
  readonly count: number;
}

/** Answers of the HTTP doors, and errors by kind. Bounded: doors, statuses and kinds are few. */
export class AnswerCounts {
  private readonly statuses = new Map<string, Map<number, number>>();
  private readonly kinds = new Map<string, Map<ErrorKind, number>>();

  /** An exchange is over; 499 when the caller left before there was an answer. */
  answered(door: string, status: number): void {
    bump(this.statuses, door, status);
  }

  /** A request ended with an error, before its answer began or in the middle of it. */
  failed(door: string, kind: ErrorKind): void {
    bump(this.kinds, door, kind);
  }

  answers(): readonly PairCount[] {
    return pairs(this.statuses);
  }

  errors(): readonly PairCount[] {
    return pairs(this.kinds);
  }
}

function bump<K>(counts: Map<string, Map<K, number>>, door: string, what: K): void {
  let inner = counts.get(door);
  if (inner === undefined) counts.set(door, (inner = new Map<K, number>()));
  inner.set(what, (inner.get(what) ?? 0) + 1);
}

function pairs(counts: ReadonlyMap<string, ReadonlyMap<unknown, number>>): PairCount[] {
  return [...counts].flatMap(([door, inner]) =>
    [...inner].map(([what, count]) => ({ door, what: String(what), count })),
  );
}
