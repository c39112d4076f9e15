import { grpcCode } from '@outrigger/proto';
import type { Probes } from './probes.js';

/** A check of a candidate: what must be true, and what is found when it is not. */
export interface SmokeCheck {
  /** As in the conformance suite. */
  readonly id: string;
  /** What is true of a plugin that passes. */
  readonly what: string;
  /** `refuse`: callers would be harmed. `warn`: it is odd, and the host can live with it. */
  readonly severity: 'refuse' | 'warn';
  /** What is wrong, in words that go on with `it`; undefined when nothing is, or when it cannot be told now. */
  find(probes: Probes): Promise<string | undefined>;
}

/** A gRPC code for people. */
export function nameOf(code: number): string {
  return Object.entries(grpcCode).find(([, value]) => value === code)?.[0] ?? `gRPC code ${code}`;
}

/** A stranger's text, short and in one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
