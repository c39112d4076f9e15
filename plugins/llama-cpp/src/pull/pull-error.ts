/** Why a model could not be fetched. */
export type PullErrorKind =
  'invalid' | 'not_found' | 'denied' | 'unavailable' | 'checksum' | 'conflict' | 'disk';

/** A fetch that failed; the message is one sentence for people. */
export class PullError extends Error {
  readonly kind: PullErrorKind;

  constructor(kind: PullErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PullError';
    this.kind = kind;
  }
}
