import { UnsupportedPolicy, type Warning } from '@outrigger/proto';
import { PluginError } from '@outrigger/sdk-plugin';

/** Gathers what a request asks for and a model cannot do. */
export class Unsupported {
  readonly #fail: boolean;
  readonly #notes: { field: string; message: string }[] = [];

  constructor(policy: UnsupportedPolicy | undefined) {
    this.#fail = policy === UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL;
  }

  /** The field is left out. */
  note(field: string, message: string): void {
    this.#notes.push({ field, message });
  }

  /** Throws UNSUPPORTED_PARAMETER when the caller would rather fail than go without. */
  check(): void {
    if (!this.#fail || this.#notes.length === 0) return;
    const fields = this.#notes.map(({ field, message }) => ({ field, description: message }));
    const sentence = fields.map(({ field, description }) => `${field}: ${description}`).join('; ');
    throw new PluginError('UNSUPPORTED_PARAMETER', sentence, { fields });
  }

  get warnings(): Warning[] {
    return this.#notes.map(({ field, message }) => ({ code: 'unsupported_parameter', field, message }));
  }
}

/** The error for a field that is wrong; the message names it. */
export function invalid(field: string, message: string): PluginError {
  return new PluginError('INVALID_REQUEST', `${field}: ${message}`, {
    fields: [{ field, description: message }],
  });
}
